"""Logs: a line an event, whatever is in it."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from exporter import logs

LOGGER = "exporter.refresh"


def record(message: str, level: int = logging.INFO, **fields: object) -> logging.LogRecord:
    made = logging.makeLogRecord(
        {"name": LOGGER, "levelno": level, "levelname": logging.getLevelName(level), "msg": message}
    )
    vars(made).update(fields, created=0.0625)
    return made


def logfmt(message: str, level: int = logging.INFO, **fields: object) -> str:
    return logs.LogfmtFormatter().format(record(message, level, **fields))


def test_a_line_has_time_level_logger_and_message() -> None:
    assert logfmt("refreshed") == "ts=1970-01-01T00:00:00.062Z level=info logger=exporter.refresh msg=refreshed"


@pytest.mark.parametrize(
    ("level", "name"),
    [
        (logging.DEBUG, "debug"),
        (logging.INFO, "info"),
        (logging.WARNING, "warn"),
        (logging.ERROR, "error"),
        (logging.CRITICAL, "error"),
    ],
)
def test_levels_are_called_as_on_the_command_line(level: int, name: str) -> None:
    assert f"level={name} " in logfmt("m", level)
    assert name in logs.LEVELS


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", "plain"),
        ("two words", '"two words"'),
        ("", '""'),
        ('say "hi"', r'"say \"hi\""'),
        ("a=b", '"a=b"'),
        ("two\nlines", r'"two\nlines"'),
        ("back\\slash", r'"back\\slash"'),
        ("\x1b[31mred", r'"\u001b[31mred"'),
        ("Zürich", "Zürich"),
        (0.25, "0.25"),
        (True, "true"),
        (None, "null"),
    ],
)
def test_values_are_quoted_where_they_must_be(value: object, expected: str) -> None:
    assert logfmt("m", field=value).endswith(f" msg=m field={expected}")


def test_a_message_with_a_newline_stays_one_line() -> None:
    assert "\n" not in logfmt("first\nsecond", error="third\nfourth")


def test_a_traceback_stays_on_the_line() -> None:
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        line = logfmt("failed", exc_info=sys.exc_info())

    assert "\n" not in line
    assert "ZeroDivisionError: division by zero" in line


def test_json_says_the_same() -> None:
    line = logs.JsonFormatter().format(record("two\nlines", series=5, up=True, nothing=None))

    assert "\n" not in line
    assert json.loads(line) == {
        "ts": "1970-01-01T00:00:00.062Z", "level": "info", "logger": LOGGER, "msg": "two\nlines",
        "series": 5, "up": True, "nothing": None,
    }  # fmt: skip


def test_json_tells_also_what_it_has_no_type_for() -> None:
    assert json.loads(logs.JsonFormatter().format(record("m", path=LOGGER.split)))["path"].startswith(
        "<built-in method"
    )


@pytest.mark.usefixtures("logging_as_it_was")
class TestConfigure:
    def test_everything_goes_to_standard_error(self, capsys: pytest.CaptureFixture[str]) -> None:
        logs.configure("info", "logfmt")
        logging.getLogger(LOGGER).info("hello")

        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.endswith(" level=info logger=exporter.refresh msg=hello\n")

    def test_json_is_one_object_a_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        logs.configure("info", "json")
        logging.getLogger(LOGGER).info("hello", extra={"series": 5})

        assert json.loads(capsys.readouterr().err)["series"] == 5

    @pytest.mark.parametrize(
        ("level", "expected"),
        [("debug", ["debug", "info", "warning", "error"]), ("warn", ["warning", "error"]), ("error", ["error"])],
    )
    def test_only_what_is_severe_enough_is_logged(
        self, level: str, expected: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        logs.configure(level, "json")
        for severity in ("debug", "info", "warning", "error"):
            getattr(logging.getLogger(LOGGER), severity)(severity)

        assert [json.loads(line)["msg"] for line in capsys.readouterr().err.splitlines()] == expected

    def test_libraries_speak_of_warnings_alone(self, capsys: pytest.CaptureFixture[str]) -> None:
        logs.configure("debug", "logfmt")
        logging.getLogger("uvicorn").info("chatter")
        logging.getLogger("apscheduler.scheduler").warning("chatter")

        assert capsys.readouterr().err == ""


class TestTally:
    """What outsiders can cause is told, and cannot fill a disk."""

    def test_the_first_is_told_at_once_and_the_rest_once_a_minute(self, caplog: pytest.LogCaptureFixture) -> None:
        now = 0.0
        tally = logs.Tally(logging.getLogger("test"), lambda: now)
        for second in range(180):
            now = float(second)
            for number in range(100):
                tally.note("refused", number=number)
            tally.note("other")
            tally.tick()

        assert [(one.getMessage(), vars(one).get("count"), vars(one).get("number")) for one in caplog.records] == [
            ("refused", None, 0), ("other", None, None),
            ("refused", 6099, 99), ("other", 60, None), ("refused", 6000, 99), ("other", 60, None),
        ]  # fmt: skip

    def test_after_a_quiet_minute_it_begins_anew(self, caplog: pytest.LogCaptureFixture) -> None:
        now = 0.0
        tally = logs.Tally(logging.getLogger("test"), lambda: now)
        for second in (0, 60, 120):
            now = float(second)
            tally.tick()
            tally.note("refused")

        assert len(caplog.records) == 3

    def test_nothing_is_lost_at_the_end(self, caplog: pytest.LogCaptureFixture) -> None:
        tally = logs.Tally(logging.getLogger("test"))
        for _ in range(10):
            tally.note("refused")
        tally.flush()
        tally.flush()

        assert [vars(one).get("count") for one in caplog.records] == [None, 9]
