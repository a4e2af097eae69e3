"""Reading what exporters say of themselves, and comparing their answers."""

from __future__ import annotations

import pytest

from bench import answers
from bench.exporters import Pass, is_complete, knows_today, passes
from bench.questions import QUESTIONS
from bench.refreshing import Refreshes
from bench.scraping import Sample, Watch, p50, p99
from bench.statements import Work

OURS = b"""\
ledger_provider_spend_usd{provider="GLM",window="all"} 2.0
ledger_provider_spend_usd{provider="GLM",window="yesterday"} 1.0
ledger_quest_budget_usd{quest="q"} 40.0
ledger_waste_usd{quest="q",layer="Agora",reason="unscored",window="all"} 1.0
ledger_waste_usd{quest="q",layer="Atlas",reason="pending",window="all"} 0.5
"""
PEER = b"""\
ledger_provider_spend_usd{database="ledgers",provider="GLM",window="all"} 2.0
ledger_quest_spend_usd{quest="q",window="budget"} 40.0
ledger_quest_waste_usd{quest="q",window="all"} 1.5
"""


def _complete(window: str) -> bytes:
    labels = {"provider": "p", "quest": "q", "token_type": "input", "window": window}
    lines = []
    for question in QUESTIONS:
        pairs = ",".join(f'{label}="{labels[label]}"' for label in question.labels)
        lines.append(f"{question.metric}{{{pairs}}} 1")
    return "\n".join(lines).encode()


def test_answers_are_compared_in_the_same_terms() -> None:
    assert answers.differences(answers.of(OURS), answers.of(PEER)) == []


def test_a_different_answer_is_named() -> None:
    assert answers.differences(answers.of(OURS), answers.of(PEER.replace(b"1.5", b"1.6"))) == [
        "ledger_quest_waste_usd q all: 1.5 and 1.6"
    ]


def test_nothing_on_one_side_is_zero_on_the_other() -> None:
    assert answers.differences({}, {("ledger_quest_waste_usd", "q", "today"): 0.0}) == []


def test_complete_is_every_question_in_the_longest_window_and_no_first_load() -> None:
    whole = _complete("all")

    assert is_complete(whole)
    assert not is_complete(_complete("today"))
    assert not is_complete(whole + b'\nledger_first_load_progress_ratio{ledger="cost"} 0.5')
    assert is_complete(whole + b'\nledger_first_load_progress_ratio{ledger="cost"} 1.0')


def test_today_is_known_by_provider_and_quest() -> None:
    assert knows_today(_complete("today"))
    assert not knows_today(_complete("all"))


def test_refreshes_are_read_from_the_log() -> None:
    log = [
        '{"ts": "1970-01-01T00:01:40.500Z", "level": "info", "msg": "refreshed", "seconds": 0.25}',
        '{"ts": "1970-01-01T00:01:41.000Z", "level": "info", "msg": "listening"}',
        "Traceback: refreshed",
    ]

    (found,) = passes(log)
    assert Pass(100.5, 0.25) == found
    assert found.began == 100.25


def test_scrapes_that_meet_a_refresh_are_told_apart() -> None:
    watch = Watch([Sample(10.0, 0.5, ()), Sample(11.0, 0.5, ("all: 1 is not 2",)), Sample(12.0, 0.5, ())])

    assert [sample.began for sample in watch.during([(10.4, 11.1)])] == [10.0, 11.0]
    assert [sample.began for sample in watch.partial] == [11.0]


def test_figures_hold_medians_and_each_value() -> None:
    refreshes = Refreshes()
    for ms in (3.0, 1.0, 2.0):
        refreshes.add(Work(0, 1, ms, 0), ms * 2)
    refreshes.note_watch(Watch([Sample(10.0, 0.002, ()), Sample(11.0, 0.004, ("x",))]), [])
    figures = refreshes.figures()

    assert (figures["db_ms"], figures["wall_ms"], figures["refreshes"]) == (2.0, 4.0, 3)
    assert tuple(
        figures[name] for name in ("scrapes", "partial_scrapes", "partial_example", "scrapes_during_refresh")
    ) == (2, 1, "x", 0)
    assert figures["db_ms_each"] == [3.0, 1.0, 2.0]


def test_percentiles_of_nothing_are_unknown() -> None:
    assert (p50([]), p99([]), p99([1.0])) == (None, None, None)
    assert p99(list(range(101))) == pytest.approx(99)
