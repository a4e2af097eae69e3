"""Outputs: what is written stays, what was left unfinished is cut off, and what is there is not overwritten."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from exporter.backfill.formats import OpenMetrics
from exporter.backfill.output import File, Folder, OutputError, StandardOutput
from tests.support.backfill_sections import MIDNIGHT, section


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith(("# HELP", "# TYPE"))]


def line(instant: int) -> str:
    return f'ledger_charged_tasks{{window="today"}} 3.0 {instant}'


@pytest.fixture
def openmetrics() -> OpenMetrics:
    return OpenMetrics({})


def test_a_file_is_one_section_after_the_other(tmp_path: Path, openmetrics: OpenMetrics) -> None:
    output = File(tmp_path / "history.om", openmetrics, None)
    output.write(section(MIDNIGHT))
    output.write(section(MIDNIGHT + 300))
    output.close()

    assert lines((tmp_path / "history.om").read_text()) == [line(MIDNIGHT), line(MIDNIGHT + 300), "# EOF"]


def test_a_file_is_gone_on_with_where_it_was_whole(tmp_path: Path, openmetrics: OpenMetrics) -> None:
    path = tmp_path / "history.om"
    output = File(path, openmetrics, None)
    output.write(section(MIDNIGHT))
    position = output.position
    output.write(section(MIDNIGHT + 300))
    output.write(section(MIDNIGHT + 450))
    output.close()

    output = File(path, openmetrics, position)
    output.write(section(MIDNIGHT + 600))
    output.close()

    assert lines(path.read_text()) == [line(MIDNIGHT), line(MIDNIGHT + 600), "# EOF"]


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path, openmetrics: OpenMetrics) -> None:
    path = tmp_path / "history.om"
    path.write_text("precious")

    with pytest.raises(OutputError, match=r"history\.om exists"):
        File(path, openmetrics, None)
    assert path.read_text() == "precious"


@pytest.mark.parametrize("left", [None, b"", b"# HELP"])
def test_a_file_that_lacks_what_was_written_is_not_gone_on_with(
    tmp_path: Path, openmetrics: OpenMetrics, left: bytes | None
) -> None:
    """It was removed or put back from an older copy: to go on would leave a hole of zeros in it."""
    path = tmp_path / "history.om"
    if left is not None:
        path.write_bytes(left)

    with pytest.raises(OutputError, match=r"history\.om has \d bytes of the 1,000 .*remove it and its state file"):
        File(path, openmetrics, 1000)
    assert (path.read_bytes() if path.exists() else None) == left


def test_an_empty_file_is_nobodys_loss(tmp_path: Path, openmetrics: OpenMetrics) -> None:
    """As one is left where the state could not be noted."""
    path = tmp_path / "history.om"
    path.touch()
    File(path, openmetrics, None).close()

    assert path.read_text() == "# EOF\n"


def test_a_file_that_was_begun_and_removed_is_begun_anew(tmp_path: Path, openmetrics: OpenMetrics) -> None:
    output = File(tmp_path / "history.om", openmetrics, 0)
    output.close()

    assert (tmp_path / "history.om").read_text() == "# EOF\n"


def test_a_folder_has_a_whole_file_for_each_day(tmp_path: Path, openmetrics: OpenMetrics) -> None:
    folder = tmp_path / "new" / "history"
    output = Folder(folder, openmetrics, None)
    output.write(section(MIDNIGHT + 3600))
    output.write(section(MIDNIGHT + 86_400, MIDNIGHT + 86_700))
    output.close()

    assert {file.name: lines(file.read_text()) for file in folder.iterdir()} == {
        "2026-04-10T010000.om": [line(MIDNIGHT + 3600), "# EOF"],
        "2026-04-11.om": [line(MIDNIGHT + 86_400), line(MIDNIGHT + 86_700), "# EOF"],
    }
    assert output.position == sum(file.stat().st_size for file in folder.iterdir())


def test_a_folder_of_another_backfill_is_not_written_into(tmp_path: Path, openmetrics: OpenMetrics) -> None:
    """Of two periods or sets of labels neither would be whole."""
    finished = tmp_path / "2026-04-10T010000.om"
    finished.write_text("precious")

    with pytest.raises(OutputError, match=r"holds another backfill already, 2026-04-10T010000\.om: remove .*\.om"):
        Folder(tmp_path, openmetrics, None)
    assert [*tmp_path.iterdir()] == [finished]


def test_a_folder_is_gone_on_with(tmp_path: Path, openmetrics: OpenMetrics) -> None:
    """Though its first days have been taken elsewhere: each of its files is whole in itself."""
    output = Folder(tmp_path, openmetrics, None)
    output.write(section(MIDNIGHT))
    output.write(section(MIDNIGHT + 86_400))
    (tmp_path / "2026-04-10.om").unlink()

    Folder(tmp_path, openmetrics, output.position).write(section(MIDNIGHT + 2 * 86_400))

    assert sorted(file.name for file in tmp_path.iterdir()) == ["2026-04-11.om", "2026-04-12.om"]


def test_standard_output_is_one_stream(openmetrics: OpenMetrics) -> None:
    stream = io.BytesIO()
    output = StandardOutput(openmetrics, stream)
    output.write(section(MIDNIGHT))
    position = output.position
    output.close()

    assert lines(stream.getvalue().decode()) == [line(MIDNIGHT), "# EOF"]
    assert position == len(stream.getvalue()) - len("# EOF\n")


def test_what_cannot_be_written_is_told(tmp_path: Path, openmetrics: OpenMetrics) -> None:
    with pytest.raises(OutputError, match=r"absent/history\.om cannot be written: No such file or directory"):
        File(tmp_path / "absent" / "history.om", openmetrics, None)
