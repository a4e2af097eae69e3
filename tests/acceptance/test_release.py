"""What a release consists of works where nothing else is: wheel, source distribution, and the list of what is in them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from exporter import __version__
from tests.support.exporter_process import Exporter, sample
from tests.support.processes import clean_environment
from tests.support.tools import need_package

pytestmark = pytest.mark.tools

ROOT = Path(__file__).parents[2]
LOCKED = re.compile(r"^([a-z0-9._-]+)(?:\[[a-z,]+\])?==([^ ;\\]+)( ;[^\\\n]+)?", re.MULTILINE)


@dataclass(frozen=True)
class Release:
    """The files of a release."""

    wheel: Path
    source: Path
    contents: Path


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Run a program in a folder and return what it printed; it must succeed."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd, env=clean_environment(**environment), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """A release built from the source tree."""
    need_package("cyclonedx_py")
    folder = tmp_path_factory.mktemp("release")
    run(ROOT / "scripts/release", folder, cwd=folder)
    (wheel,), (source,), (contents,) = (list(folder.glob(pattern)) for pattern in ("*.whl", "*.tar.gz", "*.cdx.json"))
    return Release(wheel, source, contents)


@pytest.fixture(scope="module")
def rebuilt(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel that pip builds from the source distribution, as it does for those who install that."""
    folder = tmp_path_factory.mktemp("rebuilt")
    run(
        sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", f"--wheel-dir={folder}",
        release.source, cwd=folder,
    )  # fmt: skip
    (wheel,) = folder.iterdir()
    return wheel


@pytest.fixture(scope="module")
def installed(rebuilt: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command, installed with pipx from the rebuilt wheel and with the locked versions of what it needs."""
    need_package("pipx")
    home = tmp_path_factory.mktemp("pipx")
    constraints = home / "constraints.txt"
    constraints.write_text("".join(f"{name}=={version}{marker}\n" for name, version, marker in locked()))
    run(
        sys.executable, "-m", "pipx", "install", rebuilt, f"--pip-args=--constraint={constraints}",
        cwd=home, PIPX_HOME=str(home / "home"), PIPX_BIN_DIR=str(home / "bin"), PIPX_MAN_DIR=str(home / "man"),
    )  # fmt: skip
    return home / "bin" / "ledger-exporter"


def locked() -> list[tuple[str, str, str]]:
    """Each package the exporter runs with: its name, its version, and where that one is for."""
    return [tuple(entry) for entry in LOCKED.findall((ROOT / "requirements.txt").read_text())]


def files(archive: Path) -> set[str]:
    """The files in a wheel, or in a source distribution, by their place in it."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as opened:
            return set(opened.namelist())
    with tarfile.open(archive) as opened_tar:
        return {name.split("/", 1)[1] for name in opened_tar.getnames() if "/" in name}


def test_a_release_carries_the_version_that_the_program_says(release: Release, installed: Path, tmp_path: Path) -> None:
    """There is one place for the version, and everything has it from there."""
    assert release.wheel.name.split("-")[1] == __version__
    assert release.source.name == f"ledger_exporter-{__version__}.tar.gz"
    assert run(installed, "--version", cwd=tmp_path) == f"ledger-exporter, version {__version__}\n"


def test_both_archives_hold_every_file_of_the_package_and_no_test(release: Release) -> None:
    """SQL, templates and the reference configuration are files that only a test of the archive can miss."""
    package = set(run("git", "ls-files", "--cached", "--others", "--exclude-standard", "exporter", cwd=ROOT).split())

    for archive in (release.wheel, release.source):
        assert {name for name in files(archive) if name.startswith("exporter/")} == package
        assert not any(name.startswith(("tests/", "bench/", "grafana/")) for name in files(archive))
        assert any(name.endswith("LICENSE") for name in files(archive))


def test_the_source_distribution_builds_the_same_wheel(release: Release, rebuilt: Path) -> None:
    """Who builds from source gets what was released."""
    with zipfile.ZipFile(rebuilt) as again, zipfile.ZipFile(release.wheel) as wheel:
        names = [name for name in again.namelist() if not name.endswith("RECORD")]
        assert {name: again.read(name) for name in names} == {name: wheel.read(name) for name in names}
        assert set(again.namelist()) == set(wheel.namelist())


@pytest.mark.parametrize(
    ("command", "word"),
    [
        (("check", "--deep"), "impact"),
        (("report", "--output=json"), '"waste"'),
        (("reconcile",), "no difference"),
        (("backfill", "--from=2d", "--step=6h", "--output=-"), "# EOF"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else None,
)
def test_the_installed_program_does_all_it_can(
    installed: Path, config: Path, tmp_path: Path, command: tuple[str, ...], word: str
) -> None:
    """Each command, against a ledger, without anything of the source tree."""
    assert word in run(installed, *command, f"--config.file={config}", cwd=tmp_path)


def test_the_installed_program_serves_a_ledger(installed: Path, config: Path) -> None:
    """Nothing of the source tree is needed to refresh and to be scraped."""
    with Exporter(config, program=(str(installed),), environment=clean_environment(PYTHONSAFEPATH="1")) as exporter:
        scrape = exporter.until(lambda samples: samples.get(sample("ledger_up", ledger="cost")) == 1)

    assert scrape[sample("ledger_up", ledger="impact")] == 1
    assert any(name == "ledger_provider_spend_usd" for name, _ in scrape)


def test_the_list_of_contents_names_all_that_is_installed(release: Release) -> None:
    """The SBOM has every locked package with its version and where it comes from, and the program itself."""
    contents = json.loads(release.contents.read_text())

    assert contents["bomFormat"] == "CycloneDX"
    assert contents["metadata"]["component"]["name"] == "ledger-exporter"
    assert {(part["name"], part["version"]) for part in contents["components"]} == {
        (name, version) for name, version, _ in locked()
    }
    assert all(part["purl"].startswith("pkg:pypi/") for part in contents["components"])
