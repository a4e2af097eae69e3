"""Whether the parts of one scrape agree."""

from __future__ import annotations

from bench.agreement import METRICS, disagreements, samples, series, sums

WHOLE = b"""\
# HELP ledger_provider_spend_usd Spend.
ledger_provider_spend_usd{provider="Codex",window="30d"} 1.5
ledger_provider_spend_usd{provider="GLM",window="30d"} 2.5
ledger_model_spend_usd{provider="GLM",model="a,window=\\"b",window="30d"} 4.0
ledger_quest_provider_spend_usd{quest="q",provider="GLM",window="30d"} 4.0
ledger_quest_spend_usd{quest="q",window="30d"} 4
ledger_provider_tokens{provider="GLM",token_type="input",window="30d"} 12.0
ledger_model_tokens{provider="GLM",model="a",token_type="input",window="30d"} 12.0
ledger_day_spend_usd{day="2026-04-10"} 3.0
ledger_day_spend_usd{day="2026-04-11"} 1.0
ledger_up{ledger="cost"} 1.0
"""
PEER = frozenset({"ledger_provider_spend_usd", "ledger_quest_spend_usd"})


def test_a_whole_scrape_agrees() -> None:
    assert disagreements(sums(WHOLE), METRICS) == []


def test_a_sum_that_differs_is_seen() -> None:
    assert disagreements(sums(WHOLE.replace(b'quest="q",window="30d"} 4\n', b'window="30d"} 4.001\n')), PEER) == [
        "30d: 4.0 is not 4.001"
    ]


def test_what_floats_lose_is_no_difference() -> None:
    assert disagreements(sums(WHOLE.replace(b'"30d"} 4\n', b'"30d"} 4.0000000001\n')), METRICS) == []


def test_a_missing_part_is_seen() -> None:
    body = b"\n".join(line for line in WHOLE.splitlines() if b"ledger_quest_spend" not in line)

    assert disagreements(sums(body), METRICS) == ["30d: a part is missing"]


def test_missing_days_are_seen_where_there_is_the_window_they_add_up_to() -> None:
    body = b"\n".join(line for line in WHOLE.splitlines() if b"ledger_day" not in line)

    assert disagreements(sums(body), METRICS) == ["30d: a part is missing"]
    assert disagreements(sums(body), PEER) == []


def test_a_window_that_no_part_has_is_not_partial() -> None:
    assert disagreements(sums(b'ledger_day_spend_usd{day="2026-04-10"} 3.0\n'), METRICS) == []


def test_tokens_are_compared_with_tokens() -> None:
    assert disagreements(sums(WHOLE.replace(b"12.0", b"13.0", 1)), METRICS) == ["30d: 12.0 is not 13.0"]


def test_reads_the_names_of_sql_exporter() -> None:
    body = b'sql_ledger_quest_spend_usd{col="x",host="",quest="q",window="all"} 2e+02\n'

    assert sums(body) == {("ledger_quest_spend_usd", "all"): 200.0}
    assert [(name, labels["quest"], value) for name, labels, value in samples(body)] == [
        ("ledger_quest_spend_usd", "q", 200.0)
    ]


def test_a_budget_is_no_window_of_spend() -> None:
    assert sums(b'ledger_quest_spend_usd{quest="q",window="budget"} 40\n') == {}


def test_counts_series_not_comments() -> None:
    assert series(WHOLE) == 10
