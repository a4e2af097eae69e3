"""Pages of the documentation that are generated: written anew, or compared with what is committed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


@dataclass(frozen=True)
class Page:
    """A generated page: its file in `docs/`, and what returns its text, the same at every call."""

    name: str
    generate: Callable[[], str]

    @property
    def file(self) -> Path:
        """Return where the page is committed."""
        return DOCS / self.name

    def main(self, arguments: Sequence[str] | None = None) -> int:
        """Write the page, or with `--check` compare it; return 0, or 1 if it differs or is missing."""
        parser = argparse.ArgumentParser(description=f"Generate docs/{self.name}.")
        parser.add_argument("--check", action="store_true", help="compare with the page instead of writing it")
        parser.add_argument("--output", type=Path, default=self.file, help="the page")
        options = parser.parse_args(arguments)
        if not options.check:
            options.output.write_text(self.generate(), encoding="utf-8")
            return 0
        if options.output.is_file() and options.output.read_text(encoding="utf-8") == self.generate():
            return 0
        sys.stderr.write(f"{options.output} is not as generated; run `make docs-pages`\n")
        return 1
