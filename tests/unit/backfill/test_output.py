"""Outputs: what is written stays, what was left unfinished is cut off, and what is there is not overwritten."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from exporter.backfill.formats import OpenMetrics
from exporter.backfill.output import File, Folder, OutputError, StandardOutput
from exporter.backfill.past import Step
from exporter.backfill.recorder import Recorder
from exporter.backfill.section import Section
from exporter.views import providers

MIDNIGHT = 1775779200


def section(*instants: int) -> Section:
    recorder = Recorder()
    for _ in instants:
        family = providers.CHARGED_TASKS.family()
        family.add(("today",), 3)
        recorder.take(Step([family], whole=True))
    return Section(instants, recorder.empty())


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


def test_a_file_that_was_begun_and_removed_is_begun_anew(tmp_path: Path, openmetrics: OpenMetrics) -> None:
    output = File(tmp_path / "history.om", openmetrics, 0)
    output.close()

    assert (tmp_path / "history.om").read_text() == "# EOF\n"


def test_a_folder_has_a_whole_file_for_each_day(tmp_path: Path, openmetrics: OpenMetrics) -> None:
    folder = tmp_path / "new" / "history"
    output = Folder(folder, openmetrics, 0)
    output.write(section(MIDNIGHT + 3600))
    output.write(section(MIDNIGHT + 86_400, MIDNIGHT + 86_700))
    output.close()

    assert {file.name: lines(file.read_text()) for file in folder.iterdir()} == {
        "2026-04-10T010000.om": [line(MIDNIGHT + 3600), "# EOF"],
        "2026-04-11.om": [line(MIDNIGHT + 86_400), line(MIDNIGHT + 86_700), "# EOF"],
    }
    assert output.position == sum(file.stat().st_size for file in folder.iterdir())


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
