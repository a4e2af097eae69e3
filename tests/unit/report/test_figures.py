"""The views' figures are those of the samples: shares, ratios, sums over reasons, what is not known left out."""

from __future__ import annotations

import pytest

from exporter.publishing.samples import Labels, Samples
from exporter.report import figures

W = {"window": "7d"}


def samples(*told: tuple[str, Labels, float]) -> Samples:
    return Samples(told)


def report(*told: tuple[str, Labels, float], window: str = "7d", of_some_quests: bool = False) -> figures.Report:
    return figures.report(samples(*told), window, of_some_quests=of_some_quests)


def test_nothing_known_is_nothing_told() -> None:
    found = report()

    assert found.snapshot is None
    assert found.allocation == figures.Allocation(None, None, [])
    assert found.utilization == figures.Utilization(None, [], [])
    assert found.efficiency == figures.Efficiency([], [], [])
    assert found.providers == []
    assert found.waste == figures.Waste(None, None, [], [], [])


def test_budgets_are_shares_of_all_of_them() -> None:
    found = report(
        ("ledger_quest_budget_usd", {"quest": "a"}, 10.0),
        ("ledger_quest_budget_usd", {"quest": "b"}, 30.0),
        ("ledger_budget_day_timestamp_seconds", {}, 1775779200.0),
    ).allocation

    assert found == figures.Allocation(
        "2026-04-10", 40.0, [figures.Share("b", 30.0, 0.75), figures.Share("a", 10.0, 0.25)]
    )


def test_a_quest_uses_its_budget_today_and_its_allocations_else() -> None:
    told = [
        ("ledger_quest_spend_usd", {"quest": "a", "window": "today"}, 5.0),
        ("ledger_quest_spend_usd", {"quest": "a", **W}, 20.0),
        ("ledger_quest_budget_usd", {"quest": "a"}, 4.0),
        ("ledger_quest_allocated_usd", {"quest": "a", **W}, 40.0),
    ]

    assert report(*told, window="today").utilization.quests == [figures.Use("a", 5.0, 4.0, 1.25)]
    assert report(*told).utilization.quests == [figures.Use("a", 20.0, 40.0, 0.5)]


def test_who_has_neither_spend_nor_budget_is_left_out() -> None:
    """What a quest without a budget has used of it is not known."""
    found = report(
        ("ledger_quest_spend_usd", {"quest": "idle", **W}, 0.0),
        ("ledger_quest_spend_usd", {"quest": "waiting", **W}, 0.0),
        ("ledger_quest_allocated_usd", {"quest": "waiting", **W}, 5.0),
        ("ledger_quest_spend_usd", {"quest": "wild", **W}, 1.0),
    ).utilization.quests

    assert found == [figures.Use("wild", 1.0, None, None), figures.Use("waiting", 0.0, 5.0, 0.0)]


def test_a_day_is_over_only_where_it_has_a_budget() -> None:
    told = [
        ("ledger_day_spend_usd", {"day": "2026-04-02"}, 9.0),
        ("ledger_day_spend_usd", {"day": "2026-04-01"}, 3.0),
        ("ledger_day_spend_usd", {"day": "2026-04-03"}, 9.0),
        ("ledger_day_budget_usd", {"day": "2026-04-02"}, 8.0),
        ("ledger_day_budget_usd", {"day": "2026-04-03"}, 9.0),
    ]

    assert report(*told).utilization.days == [
        figures.Day("2026-04-01", None, 3.0, over=False),
        figures.Day("2026-04-02", 8.0, 9.0, over=True),
        figures.Day("2026-04-03", 9.0, 9.0, over=False),
    ]
    assert report(*told, of_some_quests=True).utilization.days == []


def test_a_provider_costs_so_much_a_task() -> None:
    found = report(
        ("ledger_provider_spend_usd", {"provider": "Codex", **W}, 6.0),
        ("ledger_provider_spend_usd", {"provider": "GLM", **W}, 2.0),
        ("ledger_provider_spend_usd", {"provider": "GLM", "window": "30d"}, 99.0),
        ("ledger_provider_tasks", {"provider": "Codex", **W}, 4.0),
        ("ledger_provider_tasks", {"provider": "GLM", **W}, 0.0),
        ("ledger_provider_charges", {"provider": "Codex", **W}, 12.0),
        ("ledger_provider_tokens", {"provider": "Codex", "token_type": "input", **W}, 100.0),
        ("ledger_provider_tokens", {"provider": "Codex", "token_type": "output", **W}, 10.0),
    ).providers

    assert found == [
        figures.Provider("Codex", 6.0, 0.75, 4.0, 12.0, 100.0, 10.0, 1.5),
        figures.Provider("GLM", 2.0, 0.25, tasks=0.0),
    ]


def test_of_some_quests_a_providers_dollars_are_known() -> None:
    found = report(
        ("ledger_provider_spend_usd", {"provider": "GLM", **W}, 99.0),
        ("ledger_quest_provider_spend_usd", {"quest": "a", "provider": "GLM", **W}, 1.0),
        ("ledger_quest_provider_spend_usd", {"quest": "b", "provider": "GLM", **W}, 3.0),
        of_some_quests=True,
    ).providers

    assert found == [figures.Provider("GLM", 4.0, 1.0)]


def test_best_tasks_are_put_together_and_in_order() -> None:
    own = {"task": "t", "quest": "a", "layer": "Forge"}
    other = {"task": "s", "quest": "a", "layer": "Forge"}
    found = report(
        ("ledger_best_task_impact_per_usd", {**other, "title": "S"}, 2.0),
        ("ledger_best_task_impact_per_usd", {**own, "title": "T"}, 4.0),
        ("ledger_best_task_impact_score", own, 8.0),
        ("ledger_best_task_cost_usd", own, 2.0),
        ("ledger_best_task_tokens", own, 50.0),
    ).efficiency.tasks

    assert found == [
        figures.BestTask("t", "T", "a", "Forge", 4.0, 8.0, 2.0, 50.0),
        figures.BestTask("s", "S", "a", "Forge", 2.0, None, None, None),
    ]


def test_a_layer_of_some_quests_is_a_ratio_of_their_sums() -> None:
    told = [
        ("ledger_layer_impact_per_usd", {"layer": "Forge", **W}, 9.0),
        *(
            (metric, {"quest": quest, "layer": "Forge", **W}, value)
            for quest, impact, cost in (("a", 6.0, 1.0), ("b", 0.0, 3.0))
            for metric, value in (("ledger_impact_score", impact), ("ledger_impact_cost_usd", cost))
        ),
    ]

    assert report(*told).efficiency.layers == [figures.Ratio("Forge", 9.0)]
    assert report(*told, of_some_quests=True).efficiency.layers == [figures.Ratio("Forge", 1.5)]


def test_what_is_pending_is_not_wasted_yet() -> None:
    own = {"quest": "a", "layer": "Forge", **W}
    found = report(
        *(
            (metric, {**own, "reason": reason}, value)
            for reason, usd in (("low_impact", 1.0), ("unscored", 2.0), ("pending", 4.0))
            for metric, value in (
                ("ledger_waste_usd", usd), ("ledger_waste_tokens", 100 * usd), ("ledger_waste_outcomes", 10 * usd),
            )
        ),
        ("ledger_impact_cost_usd", own, 12.0),
    ).waste  # fmt: skip

    assert (found.usd, found.share) == (3.0, 0.25)
    assert found.reasons == [
        figures.Reason("pending", 4.0, 400.0, 40.0),
        figures.Reason("unscored", 2.0, 200.0, 20.0),
        figures.Reason("low_impact", 1.0, 100.0, 10.0),
    ]


def test_a_wasted_task_may_have_no_score() -> None:
    own = {"task": "t", "quest": "a", "layer": "Forge", "reason": "unscored"}
    found = report(
        ("ledger_wasted_task_tokens", {**own, "title": "T"}, 5000.0), ("ledger_wasted_task_usd", own, 2.0)
    ).waste.tasks

    assert found == [figures.WastedTask("t", "T", "a", "Forge", "unscored", 5000.0, 2.0, None)]


@pytest.mark.parametrize(
    ("up", "progress", "expected"),
    [
        (1.0, 1.0, []),
        (0.0, 1.0, ["the cost ledger cannot be read"]),
        (1.0, 0.5, ["the cost ledger is only read to 50%: windows that are not complete are left out"]),
    ],
)
def test_what_is_not_known_is_said(up: float, progress: float, expected: list[str]) -> None:
    found = report(
        ("ledger_up", {"ledger": "cost"}, up), ("ledger_first_load_progress_ratio", {"ledger": "cost"}, progress)
    )

    assert found.problems == expected


def test_why_a_ledger_cannot_be_read_is_said_where_it_is_known() -> None:
    told = samples(("ledger_up", {"ledger": "cost"}, 0.0), ("ledger_up", {"ledger": "impact"}, 1.0))
    reasons = {"cost": "source main: no such host", "impact": "no longer so"}
    found = figures.report(told, "7d", of_some_quests=False, reasons=reasons)

    assert found.problems == ["the cost ledger cannot be read: source main: no such host"]
