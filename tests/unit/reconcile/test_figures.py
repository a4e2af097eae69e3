"""The same samples, wherever they are told: in a snapshot, on a page, or in Prometheus's answer."""

from __future__ import annotations

import json

import pytest

from exporter import views
from exporter.errors import RequestError
from exporter.publishing.exposition import DEFAULT_FORMAT, Exposition
from exporter.publishing.samples import Key, by_key, of_exposition, of_families
from exporter.reconcile import exact, figures
from exporter.sums import Spend
from tests.support.snapshots import cost_figures, snapshot, spend, usd

TABLE = spend(
    (("Codex", "m'1, x}", "quest é\U0001f389"), 0, usd("0.1", 10, 1)), (("GLM", "m2", "y"), 5, usd("2", 5, 5))
)
IDS = {label: label for label in ("x", "y", "quest é\U0001f389")}
NAMELESS = spend((("Codex", "m1", "other"), 0, usd("3")))
FIGURES = cost_figures(NAMELESS.over(TABLE), counters={("Codex", "m1", "x"): Spend()})
MADE = snapshot(cost=FIGURES, quest_ids=IDS)
TOLD = by_key(of_families(views.families(MADE)))


def stored(told: dict[Key, float], **target: str) -> list[dict[str, object]]:
    """Samples as Prometheus has them: with the labels of the target, and without empty ones."""
    return [
        {
            "metric": {"__name__": name, **{label: value for label, value in labels if value}, **target},
            "value": [1_770_000_000.0, repr(value)],
        }
        for (name, labels), value in told.items()
    ]


def answer(*series: list[dict[str, object]]) -> bytes:
    result = [one for each in series for one in each]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()


def test_a_page_has_the_samples_it_was_made_of() -> None:
    page = Exposition(views.families(MADE)).body(DEFAULT_FORMAT).decode()

    assert by_key(of_exposition(page)) == TOLD


def test_prometheus_has_them_too() -> None:
    """Whatever labels it adds, and though it drops empty ones."""
    assert any("" in dict(labels).values() for _, labels in TOLD)
    assert figures.of_prometheus(answer(stored(TOLD, job="l", instance="h:1"))) == {'instance="h:1",job="l"': TOLD}


def test_each_target_is_its_own() -> None:
    """Two exporters side by side are compared one by one."""
    changed = {key: value + 1 for key, value in TOLD.items()}
    found = figures.of_prometheus(answer(stored(TOLD, instance="a"), stored(changed, instance="b")))

    assert found == {'instance="a"': TOLD, 'instance="b"': changed}


@pytest.mark.parametrize(
    "said", [b"", b"<html>", b"{}", b'{"data": {"result": [{"metric": {"__name__": "up"}, "value": [0, "1"]}]}}']
)
def test_what_is_no_answer_is_an_error(said: bytes) -> None:
    with pytest.raises(RequestError, match="no answer of Prometheus"):
        figures.of_prometheus(said)


def test_figures_are_what_tells_of_the_ledgers() -> None:
    names = {name for name, _ in figures.figures(TOLD)}

    assert {"ledger_quest_spend_usd", "ledger_rows_rejected", "ledger_spend_usd_total", "ledger_quest_info"} <= names
    assert not names & {"ledger_up", "ledger_snapshot_timestamp_seconds", "ledger_refreshes_total"}


def test_counters_begin_with_the_process_and_do_not_last() -> None:
    names = {name for name, _ in figures.lasting(TOLD)}

    assert "ledger_quest_spend_usd" in names
    assert not any(name.endswith("_total") for name in names)


def test_exact_sums_tell_apart_what_floats_cannot() -> None:
    """A cent in ten billion million dollars."""
    one = snapshot(cost=cost_figures(spend((("Codex", "m", "x"), 0, usd("100000000000000000.01")))), quest_ids=IDS)
    other = snapshot(cost=cost_figures(spend((("Codex", "m", "x"), 0, usd("100000000000000000.02")))), quest_ids=IDS)

    assert by_key(of_families(views.families(one))) == by_key(of_families(views.families(other)))
    assert exact.sums(one) != exact.sums(other)


def test_exact_sums_of_nothing_are_left_out() -> None:
    """Of a row that was deleted, a sum of no rows may remain in running totals."""
    gone = spend((("Codex", "m", "x"), 0, usd("1")), (("Codex", "m", "x"), 0, -usd("1")))

    assert exact.sums(snapshot(cost=cost_figures(gone))) == exact.sums(snapshot(cost=cost_figures()))
