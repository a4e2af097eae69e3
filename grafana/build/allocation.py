"""Allocation: which quests hold today's budget?"""

from grafana_foundation_sdk.builders import piechart, table
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue as Property

from grafana.build.common import (
    GREEN,
    GREY,
    ORANGE,
    RED,
    SHARE,
    TEXT,
    USD,
    Place,
    fixed,
    instant,
    link,
    pie,
    rows,
    to_board,
    to_platform,
    to_quest,
)
from grafana.build.promql import QUEST, TODAY, by, fold, once, ratio, top
from grafana.build.tables import HIDDEN, WIDE, Column, gauge_cell, listing, warned

LARGEST = 8
LARGE = 1e100

BUDGET = by("quest", "ledger_quest_budget_usd", QUEST)
SPENT = by("quest", "ledger_quest_spend_usd", QUEST, TODAY)
# The exporter's own remainder, and names that would be taken for one of this panel's, are folded and never ranked.
RANKED = top(LARGEST, by("quest", "ledger_quest_budget_usd", QUEST, 'quest!~"(?i:other|no budget)"'))

ALLOWED = by("quest", "ledger_threshold_quest_budget_used_ratio", QUEST, 'severity="critical"')

HELD = fold("quest", BUDGET, RANKED)
USED = fold("quest", f"({SPENT} and on (quest) {BUDGET})", RANKED)
UNBUDGETED = f'label_replace(sum({SPENT} unless on (quest) {BUDGET}), "quest", "No budget", "", "")'


def panels() -> list[Place]:
    """The view, side by side."""
    return [Place(shares(), 0, 0, 11, 12), Place(quests(), 11, 0, 13, 12)]


def shares() -> piechart.Panel:
    """The pie: who holds the budget."""
    return (
        pie(
            "Which quests hold today's budget?",
            f"Allocation of the {LARGEST} largest quests and Other, which is the sum of all the rest: the newest day in "
            "the budget ledger that is not after today. Follows: quest; always the current budget, whatever the window.",
            USD,
            instant("A", HELD, "{{quest}}"),
            empty="no budget known",
        )
        .override_by_field_type("number", [link(to_quest("__field.labels.quest"))])
        .override_by_name("Other", [fixed(GREY), link()])
    )


def quests() -> table.Panel:
    """The same quests, with what is left."""
    left = f"({HELD}) - on (quest) ({USED})"
    share = ratio(f"({USED})", f"({HELD})")
    return listing(
        "How much of it is spent?",
        "Budget, spend today (UTC), what is left, and the share used of the same quests. Red: over-spent. "
        "Alert at: the share from which the quest counts as overspent. “No budget” is the spend of quests that have no allocation. Follows: quest; always today.",
        [
            rows("A", HELD),
            rows("B", f"({USED}) or ({UNBUDGETED})"),
            rows("C", left),
            rows("D", share),
            rows("E", _leads(f"({USED}) or ({UNBUDGETED})")),
            rows("F", f"{ALLOWED} and on (quest) {RANKED}"),
        ],
        [
            Column("quest", "Quest", properties=(link(_to_quest_or_all(), *_on_platform()), *WIDE)),
            Column("Value #A", "Budget", USD, 85),
            Column("Value #B", "Spent", USD, 85),
            Column("Value #C", "Left", USD, 85, warned([(None, TEXT), (-LARGE, RED), (0, TEXT)])),
            Column(
                "Value #D",
                "Used",
                SHARE,
                0,
                (*gauge_cell([(None, TEXT), (0, GREEN), (0.9, ORANGE), (1, RED)], 1.5), _whole()),
            ),
            Column("Value #F", "Alert at", SHARE, 70, (_whole(),)),
            Column("quest_id", "Quest id", properties=(*HIDDEN, Property(id_val="noValue", value=""))),
            Column("board", "Board", properties=HIDDEN),
            Column("choice", "Choice", properties=HIDDEN),
            Column("Value #E", "Info", properties=HIDDEN),
        ],
        key="quest",
        sort="Budget",
        empty="no budget known",
    ).decimals(2)


def _leads(listed: str) -> str:
    """Where a click on each row leads, as labels: a board, and what to choose there.

    “Other” and “No budget” are no quests: they lead to the board of all. A doubled $ is a plain one to Prometheus.
    """
    quests = f"max by (quest, quest_id) ({once('ledger_quest_info', QUEST)}) and on (quest) ({RANKED})"
    one = f'label_replace(label_replace({quests}, "board", "ledger-quest", "", ""), "choice", "$1", "quest", "(.*)")'
    rest = f"({listed}) unless on (quest) ({quests})"
    every = f'label_replace(label_replace({rest}, "board", "ledger-resources", "", ""), "choice", "$$__all", "", "")'
    return f"({one}) or ({every})"


def _to_quest_or_all() -> dict[str, object]:
    return to_board("Open quest", "${__data.fields.board:percentencode}", "quest", "__data.fields.choice")


def _on_platform() -> tuple[dict[str, object], ...]:
    return (to_platform("Quest on the platform", "quests", "__data.fields.quest_id"),)


def _whole() -> Property:
    return Property(id_val="decimals", value=0)
