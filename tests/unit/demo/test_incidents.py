"""The demo's incidents: there at any time of day, and each alone where it is wanted alone."""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from exporter.demo.incidents import Incident, Incidents
from exporter.demo.models import GLM
from exporter.demo.platform import Platform
from exporter.demo.quests import BRIDGE, CLIMATE, ELECTROLYTE, ENZYME, QUESTS, REPLICATION
from exporter.demo.rows import Task

WEDNESDAY = datetime(2026, 4, 8, tzinfo=UTC)
STARTS = [
    WEDNESDAY,
    WEDNESDAY + timedelta(seconds=3),
    WEDNESDAY + timedelta(minutes=20),
    WEDNESDAY + timedelta(hours=9),
    WEDNESDAY + timedelta(hours=23, minutes=59, seconds=59),
    WEDNESDAY + timedelta(days=4, hours=15),
]


def _tasks(platform: Platform, day: date, days: int) -> list[Task]:
    return [task for ago in range(days) for task in platform.tasks(day - timedelta(days=ago))]


@pytest.mark.parametrize("scale", [0.1, 1.0])
@pytest.mark.parametrize("now", STARTS)
def test_one_quest_and_only_one_has_overspent_whenever_the_demo_starts(now, scale):
    platform = Platform(scale=scale, incidents=Incidents(now))
    spent: dict[str | None, Decimal] = defaultdict(Decimal)
    for task in _tasks(platform, now.date(), 2):
        for charge in task.charges:
            if charge.created_at.date() == now.date() and charge.created_at <= now:
                spent[charge.quest_id] += charge.cost_usd
    used = {quest.code: spent[quest.id] / platform.budget_usd(quest, now.date()) for quest in QUESTS}
    assert 1.2 < used.pop(ELECTROLYTE.code) < 1.4
    assert max(used.values()) < 1


@pytest.mark.parametrize("now", STARTS)
def test_a_task_runs_away_and_is_not_finished(now):
    tasks = _tasks(Platform(incidents=Incidents(now)), now.date(), 2)
    loops = [task for task in tasks if sum(charge.created_at <= now for charge in task.charges) > 100]
    (loop,) = loops
    assert loop.outcome is None
    assert loop.charges[0].quest_id == ENZYME.id
    assert loop.charges[-1].created_at > now
    assert sum(charge.created_at <= now for charge in loop.charges) == 1500


def test_a_quest_wastes_for_ten_days_and_not_before():
    now = STARTS[3]
    platform = Platform(incidents=Incidents(now))

    def wasted(day: date) -> float:
        outcomes = [
            task.outcome for task in platform.tasks(day) if task.outcome and task.outcome.quest_id == CLIMATE.id
        ]
        return sum(outcome.impact_score <= 0.5 for outcome in outcomes) / len(outcomes)

    assert wasted(now.date() - timedelta(days=10)) > 0.4
    assert wasted(now.date() - timedelta(days=11)) < 0.15


def test_a_model_becomes_dearer_six_days_ago():
    now = STARTS[3]
    incidents = Incidents(now)
    midnight = now.replace(hour=0) - timedelta(days=6)
    assert incidents.price_factor(GLM, midnight) == Decimal("1.75")
    assert incidents.price_factor(GLM, midnight - timedelta(microseconds=1)) == 1


def test_outcomes_of_a_quest_wait_for_their_score_and_get_it_later():
    now = STARTS[3]
    platform = Platform(incidents=Incidents(now))
    waiting = [
        task.outcome
        for task in _tasks(platform, now.date(), 2)
        if task.outcome
        and task.outcome.quest_id == REPLICATION.id
        and now - timedelta(hours=20) <= task.outcome.created_at <= now
    ]
    assert len(waiting) > 10
    scored = [outcome for outcome in waiting if outcome.scored_at]
    assert len(scored) > 0.9 * len(waiting)
    assert all(now + timedelta(hours=2) <= outcome.scored_at <= now + timedelta(hours=3) for outcome in scored)


def test_a_quest_spends_without_an_allocation():
    platform = Platform(incidents=Incidents(STARTS[3]))
    day = STARTS[3].date()
    assert BRIDGE.id not in {row.quest_id for row in platform.allocations(day)}
    assert any(charge.quest_id == BRIDGE.id for task in platform.tasks(day) for charge in task.charges)


def test_on_the_black_day_the_platform_as_a_whole_overspends():
    now = STARTS[3]
    platform = Platform(incidents=Incidents(now))

    def used(ago: int) -> Decimal:
        day = now.date() - timedelta(days=ago)
        spent = sum((charge.cost_usd for task in platform.tasks(day) for charge in task.charges), Decimal(0))
        return spent / sum(row.allocated_usd for row in platform.allocations(day))

    assert used(12) > 1
    assert max(used(11), used(13)) < 0.9


@pytest.mark.parametrize("incident", Incident)
def test_each_incident_can_be_had_alone(incident):
    """Alone it changes the platform; without it, no other incident is left."""
    now = STARTS[3]

    def story(happening: frozenset[Incident]) -> list[object]:
        platform = Platform(scale=0.2, incidents=Incidents(now, happening))
        days = [now.date() - timedelta(days=ago) for ago in (0, 1, 12)]
        return [(platform.tasks(day), platform.allocations(day)) for day in days]

    assert story(frozenset()) != story(frozenset({incident}))
    assert story(frozenset()) == [
        (Platform(scale=0.2).tasks(day), Platform(scale=0.2).allocations(day))
        for day in [now.date() - timedelta(days=ago) for ago in (0, 1, 12)]
    ]


def test_who_resumes_overspends_after_what_is_booked():
    now = STARTS[3]
    after = now - timedelta(minutes=10)
    platform = Platform(incidents=Incidents(now, after=after))
    sweeps = [task for task in platform.tasks(now.date()) if task.outcome and "Sweep" in task.outcome.title]
    assert min(task.charges[0].created_at for task in sweeps) >= after
