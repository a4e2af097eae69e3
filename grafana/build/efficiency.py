"""Efficiency: which tasks, quests and layers give the most impact per dollar?"""

from grafana_foundation_sdk.builders import bargauge, table

from grafana.build.common import (
    BLUE,
    COUNT,
    GREEN,
    LAYER_COLOURS,
    USD,
    Place,
    bars,
    instant,
    link,
    paint,
    rows,
    to_platform,
    to_quest,
)
from grafana.build.promql import LAYER, QUEST, WINDOW, by, ratio, top
from grafana.build.tables import HIDDEN, WIDE, Column, badge, bar_cell, listing

BEST = 15
BEST_QUESTS = 12


def panels() -> list[Place]:
    """The ranking, and beside it layers and quests."""
    return [Place(tasks(), 0, 0, 16, 17), Place(layers(), 16, 0, 8, 6), Place(quests(), 16, 6, 8, 11)]


def tasks() -> table.Panel:
    """The best tasks."""
    ranked = by("task, quest, layer, title", "ledger_best_task_impact_per_usd", QUEST, LAYER)
    return listing(
        f"The {BEST} best tasks of the last 30 days",
        "Tasks with the most impact per dollar, each by its best outcome, among settled outcomes with cost and impact "
        "above 0. The exporter publishes the platform's best (50 by default): a quest or layer is shown with those of its "
        "tasks that are among them. Follows: quest, layer; always 30 days.",
        [
            rows("A", top(BEST, ranked)),
            rows("B", by("task", "ledger_best_task_impact_score", QUEST, LAYER)),
            rows("C", by("task", "ledger_best_task_cost_usd", QUEST, LAYER)),
            rows("D", by("task", "ledger_best_task_tokens", QUEST, LAYER)),
        ],
        [
            Column(
                "title",
                "Task",
                properties=(link(to_platform("Task on the platform", "tasks", "__data.fields.task")), *WIDE),
            ),
            Column("quest", "Quest", width=180, properties=(link(to_quest("__data.fields.quest")),)),
            Column("layer", "Layer", width=85, properties=badge(LAYER_COLOURS)),
            Column("Value #B", "Impact", COUNT, 70),
            Column("Value #C", "Cost", USD, 75),
            Column("Value #D", "Tokens", COUNT, 80),
            Column("Value #A", "Impact per $", COUNT, 140, bar_cell(GREEN)),
            Column("task", "Task id", properties=HIDDEN),
        ],
        key="task",
        inner=True,
        sort="Impact per $",
        longest="A",
        empty="none known among the best of 30 days",
    )


def layers() -> bargauge.Panel:
    """Impact per dollar of each layer."""
    panel = bars(
        "Impact per $ by layer ($window)",
        "Sum of impact over sum of cost of settled outcomes, failures included. Follows: quest, layer, window.",
        COUNT,
        instant("A", f"sort_desc({_impact_per_usd('layer')})", "{{layer}}"),
        "layer",
        empty="none known",
    )
    return paint(panel, LAYER_COLOURS)


def quests() -> bargauge.Panel:
    """Impact per dollar of the best quests."""
    return bars(
        "Impact per $ by quest ($window)",
        f"Sum of impact over sum of cost of settled outcomes, failures included; the {BEST_QUESTS} highest. "
        "Follows: quest, layer, window.",
        COUNT,
        instant("A", top(BEST_QUESTS, _impact_per_usd("quest")), "{{quest}}"),
        "quest",
        empty="none known",
        colour=BLUE,
    ).override_by_field_type("number", [link(to_quest("__field.labels.quest"))])


def _impact_per_usd(label: str) -> str:
    score = by(label, "ledger_impact_score", QUEST, LAYER, WINDOW)
    return ratio(score, by(label, "ledger_impact_cost_usd", QUEST, LAYER, WINDOW))
