"""The demo's platform: believable, healthy on ordinary days, and the same story every time."""

from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from exporter.demo.models import GLM
from exporter.demo.platform import Platform, midnight
from exporter.demo.quests import LAYERS, QUESTS
from exporter.demo.rows import Task

TODAY = date(2026, 4, 10)
DAYS = [TODAY - timedelta(days=ago) for ago in range(60, -1, -1)]


@pytest.fixture(scope="module")
def tasks() -> list[Task]:
    """Sixty ordinary days and one."""
    platform = Platform()
    return [task for day in DAYS for task in platform.tasks(day)]


def test_the_same_seed_tells_the_same_story():
    assert Platform(7).tasks(TODAY) == Platform(7).tasks(TODAY)
    assert Platform(7).tasks(TODAY) != Platform(8).tasks(TODAY)


def test_the_platform_is_as_large_as_promised(tasks):
    charges = [charge for task in tasks for charge in task.charges if charge.created_at < midnight(TODAY)]
    assert len(charges) >= 200_000
    assert len({charge.task_id for charge in charges}) >= 25_000
    assert len({charge.quest_id for charge in charges if charge.quest_id}) == 12


def test_providers_are_written_in_many_ways(tasks):
    written = Counter(charge.provider for task in tasks for charge in task.charges)
    expected = {"max", "minimax", "MiniMax-M2", "codex", "codex-mini", "glm-4.6", "zhipu/GLM-4.5", None}
    assert expected <= set(written)
    assert {"bedrock/claude-3-5-sonnet", "openai/gpt-4.1-mini"} <= set(written)


def test_every_quest_works_in_all_layers_and_some_outcomes_name_none(tasks):
    layers = defaultdict(set)
    for task in tasks:
        if task.outcome:
            layers[task.outcome.quest_id].add(task.outcome.layer)
    assert all(worked == {*LAYERS, None} for worked in layers.values())


def test_names_are_as_in_real_life():
    """One quest has no name, two share one."""
    names = Counter(quest.name for quest in QUESTS)
    assert (names[None], names["Literature Synthesis"]) == (1, 2)
    assert len({quest.id for quest in QUESTS}) == len({quest.code for quest in QUESTS}) == 12


def test_some_rows_are_odd_but_few(tasks):
    charges = [charge for task in tasks for charge in task.charges]
    odd = {
        "refund": sum(charge.cost_usd < 0 for charge in charges),
        "no tokens": sum(charge.tokens_in is None for charge in charges),
        "no provider": sum(charge.provider is None for charge in charges),
        "no quest": sum(charge.quest_id is None for charge in charges),
    }
    assert all(0 < number < 0.02 * len(charges) for number in odd.values()), odd


def test_an_outcome_adds_up_its_charges(tasks):
    for task in tasks[:2000]:
        if task.outcome:
            paid = sum((charge.cost_usd for charge in task.charges if charge.cost_usd > 0), Decimal(0))
            assert task.outcome.cost_usd == paid
            assert task.outcome.created_at > max(c.created_at for c in task.charges if c.cost_usd > 0)


def test_a_model_has_one_price(tasks):
    charges = [charge for task in tasks for charge in task.charges if charge.model == GLM.name and charge.tokens_in]
    prices = {
        round(float(charge.cost_usd * 10**9) / (charge.tokens_in * 600 + charge.tokens_out * 2200), 2)
        for charge in charges
        if charge.tokens_in > 5000
    }
    assert prices == {1.0}


def test_titles_read_in_a_panel(tasks):
    titles = {task.outcome.title for task in tasks if task.outcome}
    assert max(map(len, titles)) <= 80
    assert len(titles) > 1000
    assert not [title for title in titles if "{" in title]


def test_impact_is_scored_later_and_sometimes_never(tasks):
    outcomes = [task.outcome for task in tasks if task.outcome]
    delays = [outcome.scored_at - outcome.created_at for outcome in outcomes if outcome.scored_at]
    assert min(delays) > timedelta(0)
    assert max(delays) < timedelta(hours=72)
    assert 0.005 < 1 - len(delays) / len(outcomes) < 0.03


def test_quests_spend_between_60_and_90_percent_of_their_budget(tasks):
    spent = _spent(tasks, hour=24)
    platform = Platform()
    used = [float(spent[quest.id, day] / platform.budget_usd(quest, day)) for quest in QUESTS for day in DAYS[1:]]
    assert min(used) > 0.58
    assert max(used) < 0.9


@pytest.mark.parametrize("hour", [2, 6, 10, 14, 18, 22])
def test_at_no_hour_is_a_quest_far_ahead_of_the_day(tasks, hour):
    """Rules about a budget used too early stay silent on ordinary days."""
    spent = _spent(tasks, hour)
    platform = Platform()
    ahead = [
        (quest.code, day)
        for quest in QUESTS
        for day in DAYS[1:]
        if float(spent[quest.id, day] / platform.budget_usd(quest, day)) > max(hour / 24, 0.1)
    ]
    assert len(ahead) <= 8  # of 720


def test_the_afternoon_is_busier_than_the_night_and_the_weekend_is_quiet(tasks):
    hours = Counter(charge.created_at.hour for task in tasks for charge in task.charges)
    weekdays = Counter(charge.created_at.weekday() for task in tasks for charge in task.charges)
    assert hours[15] > 1.8 * hours[3]
    assert weekdays[6] < 0.85 * weekdays[2]


def test_scale_multiplies_tasks_and_budgets():
    small, large = Platform(scale=0.5), Platform(scale=2)
    assert 3.5 < len(large.tasks(TODAY)) / len(small.tasks(TODAY)) < 4.5
    budgets = [sum(row.allocated_usd for row in platform.allocations(TODAY)) for platform in (small, large)]
    assert 3.9 < budgets[1] / budgets[0] < 4.1


def _spent(tasks: list[Task], hour: int) -> dict[tuple[str | None, date], Decimal]:
    """Dollars spent by quest and day up to an hour of the day."""
    spent: dict[tuple[str | None, date], Decimal] = defaultdict(Decimal)
    for task in tasks:
        for charge in task.charges:
            if charge.created_at.hour < hour:
                spent[charge.quest_id, charge.created_at.date()] += charge.cost_usd
    return spent


def test_midnight_is_utc():
    assert midnight(TODAY) == datetime(2026, 4, 10, tzinfo=UTC)
