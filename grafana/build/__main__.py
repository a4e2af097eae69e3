"""Write the dashboards to `grafana/dashboards/`, or with `--check` say which of the committed ones differ.

Exit codes: 0 all is as generated, 1 a file differs, is missing or is not one of ours.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from grafana.build import health, provider, quest, resources

DASHBOARDS = Path(__file__).parent.parent / "dashboards"


def generate() -> dict[str, str]:
    """File names and their content, the same at every call."""
    boards = [board.build() for board in (resources, quest, provider, health)]
    return {f"{board['uid']}.json": json.dumps(board, indent=2, ensure_ascii=False) + "\n" for board in boards}


def differences(folder: Path) -> list[str]:
    """Names of the files in `folder` that are not what `generate` writes, or that it would not write at all."""
    wanted = generate()
    found = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    return sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))


def write(folder: Path) -> None:
    """Make `folder` hold exactly what `generate` says."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in differences(folder):
        (folder / name).unlink(missing_ok=True)
    for name, content in generate().items():
        (folder / name).write_text(content, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m grafana.build", description="Generate the Grafana dashboards.")
    parser.add_argument("--check", action="store_true", help="compare with the files instead of writing them")
    parser.add_argument("--output", type=Path, default=DASHBOARDS, help="folder of the dashboards")
    options = parser.parse_args(arguments)
    if not options.check:
        write(options.output)
        return 0
    stale = differences(options.output)
    for name in stale:
        sys.stderr.write(f"{options.output / name} is not as generated; run `make dashboards`\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
