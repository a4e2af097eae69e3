"""Who keeps a label of its own is decided once a refresh, before anything is built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from exporter.config import Limits
from exporter.holding import Parts
from exporter.labelling.labels import Labels
from exporter.labelling.policy import LabelPolicy, halved
from exporter.sums import WINDOWS, BudgetPart, CostPart
from tests.support.sizes import sizes
from tests.support.snapshots import TODAY, allocations, spend, usd

LIMITS = Limits(quests=2, models=9, providers=9, layers=9, combinations=8, series=1000)


@dataclass
class Published:
    """So many series, however labels are folded; and the quests that counters need."""

    count: Callable[[Labels], int] = lambda _: 0
    counted_quests: frozenset[str] = frozenset()
    shown_quests: frozenset[str] = frozenset()

    def series(self, labels: Labels) -> int:
        return self.count(labels)


def charged(today: int = TODAY, windows: tuple[str, ...] = WINDOWS, **dollars: int) -> Parts:
    """A cost ledger with a charge of each quest."""
    table = spend(*[(("A", "m", quest), 0, usd(str(number))) for quest, number in dollars.items()])
    part = CostPart(
        instant=0.0, today=TODAY, windows=windows, rejected={}, newest=None, spend=table, refunds=spend(),
        first_seen={}, tasks=None, task_spend=None, newest_task_spend=(), has_tokens_out=True,
    )  # fmt: skip
    return Parts(today, part)


def named(**names: str) -> BudgetPart:
    """A budget ledger that names quests."""
    return BudgetPart(
        instant=0.0, today=TODAY, windows=WINDOWS, rejected={}, newest=None, allocations=allocations(),
        newest_day=None, current={}, names={quest: (TODAY, frozenset({name})) for quest, name in names.items()},
    )  # fmt: skip


def shown(labels: Labels, *quests: str) -> list[str]:
    return [labels.labeller.quest(quest) for quest in quests]


def test_the_heaviest_are_admitted_and_the_others_counted() -> None:
    labels = LabelPolicy(LIMITS).decide(charged(a=1, b=2, c=3), Published())

    assert shown(labels, "a", "b", "c") == ["other", "b", "c"]
    assert labels.folded["quest"] == 1
    assert labels.quest_ids == {"a": "a", "b": "b", "c": "c"}


def test_within_a_day_a_label_stays_and_at_midnight_it_is_decided_afresh() -> None:
    policy = LabelPolicy(LIMITS)
    policy.decide(charged(a=1, b=2), Published())
    later = charged(a=1, b=2, rich=9)

    assert shown(policy.decide(later, Published()), "a", "b", "rich") == ["a", "b", "other"]
    assert shown(policy.decide(replace(later, today=TODAY + 1), Published()), "a", "b", "rich") == [
        "other",
        "b",
        "rich",
    ]


def test_it_is_decided_afresh_when_30_days_are_first_known() -> None:
    """Until then whoever was charged today has taken a place."""
    policy = LabelPolicy(LIMITS)
    policy.decide(charged(windows=("today",), a=1, b=2), Published())

    assert shown(policy.decide(charged(a=1, b=2, rich=9), Published()), "a", "rich") == ["other", "rich"]


def test_a_ledger_that_goes_and_comes_back_changes_nothing() -> None:
    """Nor does a quest lose its name while the ledger it is in cannot be read."""
    policy = LabelPolicy(LIMITS)
    policy.decide(replace(charged(a=1, b=2), budget=named(b="Folding")), Published())
    away = policy.decide(Parts(TODAY), Published())
    back = policy.decide(charged(a=1, b=2, rich=9), Published())

    assert away.labeller.own_quest("a") == "a"
    assert shown(back, "a", "b", "rich") == ["a", "Folding", "other"]


def test_labels_that_stay_are_the_same_object() -> None:
    """Tables remember what was derived by them: deriving it again would cost what the ledger holds."""
    policy = LabelPolicy(LIMITS)
    first = policy.decide(charged(a=1), Published())
    second = policy.decide(charged(a=5), Published())
    third = policy.decide(charged(a=5, b=1), Published())

    assert (second.labeller, second.folds) == (first.labeller, first.folds)
    assert second.labeller is first.labeller
    assert second.folds is first.folds
    assert third.labeller is not first.labeller


def test_labels_taken_before_do_not_change() -> None:
    policy = LabelPolicy(LIMITS)
    first = policy.decide(charged(a=1), Published())
    policy.decide(charged(a=1, b=1), Published())

    assert (first.quest_ids, first.folds.kept["quest"]) == ({"a": "a"}, {"a"})


def test_limits_are_halved_until_there_are_not_too_many_series(caplog: pytest.LogCaptureFixture) -> None:
    """Those of combinations first, and then those of labels; it is told once, and holds for the day."""
    policy, many = LabelPolicy(LIMITS), charged(a=1, b=2)

    def count(labels: Labels) -> int:
        return 700 * len(labels.folds.kept["quest"])

    labels = policy.decide(many, Published(count))
    again = policy.decide(many, Published(count))

    assert (labels.series, again.series) == (700, 700)
    assert shown(again, "a", "b") == ["other", "b"]
    assert again.folds.kept["provider,model"] == frozenset()
    (record,) = caplog.records
    assert (record.message, vars(record)["limit"]) == (
        "there were more series than limits.series: labels are folded further", 1000,
    )  # fmt: skip


def test_when_nothing_is_left_to_fold_it_stays_so() -> None:
    labels = LabelPolicy(LIMITS).decide(charged(a=1, b=2), Published(lambda _: 5000))

    assert not any(labels.folds.kept.values())


def test_halving_goes_on_to_the_labels_when_no_combination_is_left() -> None:
    combinations = [halved(LIMITS, halvings)["combinations"] for halvings in range(6)]
    quests = [halved(LIMITS, halvings)["quest"] for halvings in range(7)]

    assert combinations == [8, 4, 2, 1, 0, 0]
    assert quests == [2, 2, 2, 2, 2, 1, 0]


def test_other_limits_are_decided_afresh_and_the_same_ones_are_not() -> None:
    policy, many = LabelPolicy(LIMITS), charged(a=1, b=2, rich=9)
    policy.decide(charged(a=1, b=2), Published())
    policy.limit(LIMITS)
    same = policy.decide(many, Published())
    policy.limit(LIMITS.model_copy(update={"quests": 1}))

    assert shown(same, "a", "b", "rich") == ["a", "b", "other"]
    assert shown(policy.decide(many, Published()), "a", "b", "rich") == ["other", "other", "rich"]


def test_quests_that_are_gone_are_forgotten_but_for_those_the_counters_need() -> None:
    policy = LabelPolicy(LIMITS)
    counted = Published(counted_quests=frozenset({"q1"}), shown_quests=frozenset({"q2"}))
    with sizes(gone_quests=2):
        for number in range(6):
            labels = policy.decide(charged(**{f"q{number}": 1}), counted)

    assert labels.quest_ids == {"q2": "q2", "q4": "q4", "q5": "q5"}
    assert labels.labeller.own_quest("q1") == "q1"  # whose charges, being gone, are a fall
    with pytest.raises(KeyError):
        labels.labeller.own_quest("q3")
