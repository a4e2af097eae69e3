"""What was found, for people and for programs."""

from __future__ import annotations

import json
from decimal import Decimal

import click

from exporter.reconcile import output
from exporter.reconcile.comparison import Comparison

SPEND = ("ledger_quest_spend_usd", frozenset({("quest", "Café"), ("window", "7d")}))
TASKS = ("ledger_charged_tasks", frozenset({("window", "7d")}))
EXACT = ("spend.usd", frozenset({("quest", "Café")}))


def compared() -> Comparison:
    before = {SPEND: 1.5, TASKS: 3.0, EXACT: Decimal("1.50")}
    after = {**before, TASKS: 4.0}
    oracle = {SPEND: 1.25, TASKS: 5.0}
    notes = ("the cost ledger could not be read",)
    return Comparison.between("http://127.0.0.1:9851/metrics", before, after, oracle, notes)


def test_text_is_a_table_of_views_and_one_of_differences() -> None:
    assert click.unstyle(output.as_text([compared()])) == (
        "http://127.0.0.1:9851/metrics beside the oracle\n"
        "  the cost ledger could not be read\n"
        "  view         equal  moving  different\n"
        "  utilization      0       0          1\n"
        "  providers        0       1          0\n"
        "  exact sums       0       0          1\n"
        "\n"
        "  metric                  labels                     published    oracle\n"
        '  ledger_quest_spend_usd  quest="Café", window="7d"        1.5      1.25\n'
        '  spend.usd               quest="Café"                    1.50  (absent)\n'
        "\n"
        "2 of 2 figures differ.\n"
        "1 moved meanwhile and could not be compared; a quieter hour will tell."
    )


def test_only_the_first_differences_are_shown() -> None:
    many = {("ledger_charged_tasks", frozenset({("window", str(number))})): 1.0 for number in range(70)}
    text = click.unstyle(output.as_text([Comparison.between("it", many, many, {})]))

    assert text.count('window="') == output.MOST_SHOWN
    assert "and 20 more; --output=json has all" in text


def test_what_was_lost_is_no_success() -> None:
    whole = Comparison.between("here", {TASKS: 3.0}, {TASKS: 3.0}, {TASKS: 3.0})
    lost = Comparison("there", notes=("it has gone",), incomplete=True)

    assert click.unstyle(output.as_text([whole, lost])).endswith(
        "\n\nthere beside the oracle\n  it has gone\n"
        "\n1 figures compared, no difference.\n1 of 2 comparisons are incomplete."
    )
    found = json.loads(output.as_json([whole, lost], 1))
    assert (found["incomplete"], [one["incomplete"] for one in found["comparisons"]]) == (1, [False, True])


def test_json_has_everything() -> None:
    found = json.loads(output.as_json([compared()], 1))

    assert (found["exit_code"], found["equal"], found["moving"], found["different"]) == (1, 0, 1, 2)
    (one,) = found["comparisons"]
    assert one["views"]["utilization"] == {"equal": 0, "moving": 0, "different": 1}
    assert one["differences"] == [
        {
            "view": "utilization",
            "metric": "ledger_quest_spend_usd",
            "labels": {"quest": "Café", "window": "7d"},
            "published": 1.5,
            "oracle": 1.25,
        },
        {"view": "exact sums", "metric": "spend.usd", "labels": {"quest": "Café"}, "published": "1.50", "oracle": None},
    ]
    assert [figure["metric"] for figure in one["moving"]] == ["ledger_charged_tasks"]
