"""The dashboards in the repository are what the build writes, and the check can fail."""

from pathlib import Path

import pytest

from grafana.build.__main__ import DASHBOARDS, differences, generate, main, write


@pytest.fixture
def folder(tmp_path):
    write(tmp_path)
    return tmp_path


def test_committed_dashboards_are_as_generated():
    assert differences(DASHBOARDS) == []


def test_generating_twice_gives_the_same_bytes():
    assert generate() == generate()


def test_check_accepts_what_was_just_written(folder: Path):
    assert main(["--check", "--output", str(folder)]) == 0


@pytest.mark.parametrize("damage", ["changed", "missing", "added"])
def test_check_fails_and_names_the_file(folder: Path, damage: str, capsys):
    file = folder / ("more.json" if damage == "added" else "ledger-quest.json")
    if damage == "missing":
        file.unlink()
    elif damage == "added":
        file.write_text("{}")
    else:
        file.write_text(file.read_text().replace("Quest", "Guest"))
    assert main(["--check", "--output", str(folder)]) == 1
    assert file.name in capsys.readouterr().err


def test_writing_mends_everything_the_check_finds(folder: Path):
    (folder / "more.json").write_text("{}")
    (folder / "ledger-quest.json").write_text("{}")
    assert main(["--output", str(folder)]) == 0
    assert differences(folder) == []
