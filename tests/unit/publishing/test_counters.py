"""The counters: they only grow, only by spending, and every label set begins at 0."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from exporter.publishing.counters import Counters
from exporter.sums import Key, Spend
from tests.support.sizes import sizes
from tests.support.snapshots import usd

ZERO = Spend()
X = ("A", "m", "x")


def same(key: Key) -> Key:
    """Labels where nothing is renamed and nothing folded."""
    return key


def fold_quest(key: Key) -> Key:
    """Labels where every quest is folded."""
    return (*key[:2], "other")


class Ledger:
    """Counters fed with what a ledger holds now."""

    def __init__(self, limit: int = 100) -> None:
        self.counters = Counters(limit)

    def refresh(
        self, gross: Mapping[Key, Spend], label: object = same, own: object = same, recent: list[Key] | None = None
    ) -> Mapping[Key, Spend]:
        recent = list(gross) if recent is None else recent
        self.counters.take(self.counters.propose(gross, recent, label, own))  # type: ignore[arg-type]
        return self.counters.values


class TestGrowth:
    def test_charges_from_before_the_start_are_no_growth(self) -> None:
        assert Ledger().refresh({X: usd("100")}) == {X: ZERO}

    def test_label_sets_without_a_recent_charge_do_not_begin(self) -> None:
        assert Ledger().refresh({X: usd("100")}, recent=[]) == {}

    def test_what_is_charged_is_added(self) -> None:
        ledger = Ledger()
        ledger.refresh({X: usd("100", 10, 20)})

        assert ledger.refresh({X: usd("101.50", 11, 22, 2)}) == {X: usd("1.50", 1, 2, 1)}

    def test_a_new_label_set_is_0_for_one_refresh_and_then_all_there(self) -> None:
        """So that increase() sees the first dollar."""
        ledger = Ledger()
        ledger.refresh({})

        assert ledger.refresh({X: usd("5")}) == {X: ZERO}
        assert ledger.refresh({X: usd("7", charges=2)}) == {X: usd("7", charges=2)}

    def test_an_old_label_set_that_is_charged_again_begins_at_0(self) -> None:
        ledger = Ledger()
        ledger.refresh({X: usd("100")}, recent=[])

        assert ledger.refresh({X: usd("103", charges=2)}) == {X: ZERO}
        assert ledger.refresh({X: usd("103", charges=2)}) == {X: usd("3")}


class TestTrouble:
    def test_what_breaks_off_is_counted_once_when_it_is_done_again(self) -> None:
        """There is no memory for the second of three: none is lost, none counts twice."""
        ledger, keys = Ledger(), [("A", "m", quest) for quest in "xyz"]
        ledger.refresh({key: usd("100") for key in keys})
        now = {key: usd("101") for key in keys}

        def fail(key: Key) -> Key:
            if key[2] == "y":
                raise MemoryError
            return key

        with pytest.raises(MemoryError):
            ledger.refresh(now, own=fail)

        assert ledger.refresh(now) == {key: usd("1", charges=0) for key in keys}

    def test_keys_that_are_gone_for_good_are_forgotten(self) -> None:
        """As when quests come and go by the thousand, and history is pruned; what they have counted for stays."""
        ledger = Ledger(limit=3)
        with sizes(gone_keys=20):
            for day in range(50):
                ledger.refresh({("A", "m", f"q{day}-{quest}"): usd("1") for quest in range(5)})

        assert len(ledger.counters.folds) <= 2 * 5 + 20 + 5
        assert ledger.counters.folded <= 2 * 5 + 20 + 5
        assert len(ledger.refresh({})) == 3 + 1


class TestFalls:
    def test_a_deletion_is_no_fall_and_what_is_charged_after_it_counts(self) -> None:
        ledger = Ledger()
        ledger.refresh({X: usd("100")})

        assert ledger.refresh({}) == {X: ZERO}
        assert ledger.refresh({X: usd("3")}) == {X: usd("3")}

    def test_dollars_may_fall_while_tokens_grow(self) -> None:
        ledger = Ledger()
        ledger.refresh({X: usd("100", 10)})

        assert ledger.refresh({X: usd("90", 15)}) == {X: Spend(tokens_in=5)}

    def test_a_charge_that_moves_within_a_label_set_is_no_growth(self) -> None:
        """Two models as booked are one label once clean."""
        ledger = Ledger()
        one, other = ("A", 'm"', "x"), ("A", "m'", "x")

        def own(key: Key) -> Key:
            return ("A", "m'", key[2])

        ledger.refresh({one: usd("100"), other: usd("1")}, own, own)

        assert ledger.refresh({other: usd("101", charges=2)}, own, own) == {("A", "m'", "x"): ZERO}

    def test_what_a_new_configuration_makes_of_old_charges_is_no_growth(self) -> None:
        ledger = Ledger()
        ledger.refresh({X: usd("1")})
        ledger.counters.rebase()

        assert ledger.refresh({X: usd("50")})[X] == ZERO
        assert ledger.refresh({X: usd("51", charges=2)})[X] == usd("1")


class TestLabels:
    def test_a_renamed_quest_goes_on_under_its_new_name_from_0(self) -> None:
        """The old name keeps its value; the growth seen with the rename is shown one refresh later, under the new one."""
        ledger = Ledger()
        ledger.refresh({X: usd("100")})
        ledger.refresh({X: usd("102", charges=2)})
        new = ("A", "m", "renamed")

        def own(key: Key) -> Key:
            return new

        assert ledger.refresh({X: usd("105", charges=3)}, own, own) == {X: usd("2"), new: ZERO}
        assert ledger.refresh({X: usd("105", charges=3)}, own, own) == {X: usd("2"), new: usd("3")}

    def test_what_is_folded_stays_folded(self) -> None:
        ledger = Ledger()
        ledger.refresh({X: usd("100")}, fold_quest)

        assert ledger.refresh({X: usd("101", charges=2)}) == {("A", "m", "other"): usd("1")}

    def test_what_is_not_folded_is_not_folded_later(self) -> None:
        ledger = Ledger()
        ledger.refresh({X: usd("100")})

        assert ledger.refresh({X: usd("101", charges=2)}, fold_quest) == {X: usd("1")}

    def test_beyond_the_limit_only_the_provider_is_told(self) -> None:
        ledger = Ledger(limit=1)

        assert ledger.refresh({X: usd("9"), ("B", "m", "x"): usd("1")}) == {X: ZERO, ("B", "other", "other"): ZERO}

    def test_the_first_of_the_recent_have_the_places(self) -> None:
        ledger = Ledger(limit=1)
        rich = ("B", "m", "x")

        assert rich in ledger.refresh({X: usd("1"), rich: usd("9")}, recent=[rich, X])

    def test_label_sets_without_a_place_are_counted_once(self) -> None:
        ledger = Ledger(limit=1)
        gross = {X: usd("9"), ("B", "m", "x"): usd("1"), ("B", "n", "x"): usd("1")}
        ledger.refresh(gross)
        ledger.refresh(gross)

        assert ledger.counters.folded == 2

    def test_what_is_folded_already_takes_no_place(self) -> None:
        ledger = Ledger(limit=1)
        ledger.refresh({("A", "other", "other"): usd("9")})
        values = ledger.refresh({("A", "other", "other"): usd("9"), X: usd("1")})

        assert X in values
        assert ledger.counters.folded == 0


KEYS = st.tuples(st.sampled_from("AB"), st.sampled_from("mn"), st.sampled_from("xyz"))
CENTS = st.integers(0, 1000).map(lambda cents: Spend(Decimal(cents).scaleb(-2), cents, 2 * cents, 1))


class CountersOverTime(RuleBasedStateMachine):
    """Any history of charges, edits, deletions and renames."""

    def __init__(self) -> None:
        super().__init__()
        self.counters = Counters(limit=6)
        self.ledger: dict[Key, Spend] = {}
        self.names: dict[str, str] = {}
        self.folded: set[str] = set()
        self.seen: Mapping[Key, Spend] = {}
        self.fell: list[object] = []
        self.charged_since_start = ZERO
        self.edited = False

    @initialize(charges=st.dictionaries(KEYS, CENTS, max_size=4))
    def start(self, charges: dict[Key, Spend]) -> None:
        self.ledger = dict(charges)
        self.refresh()

    @rule(key=KEYS, spend=CENTS)
    def charge(self, key: Key, spend: Spend) -> None:
        self.ledger[key] = self.ledger.get(key, ZERO) + spend
        self.charged_since_start = self.charged_since_start + spend

    @precondition(lambda self: self.ledger)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        del self.ledger[data.draw(st.sampled_from(sorted(self.ledger)))]
        self.edited = True

    @rule(quest=st.sampled_from("xyz"), name=st.sampled_from(["x", "y", "z", "new"]))
    def rename(self, quest: str, name: str) -> None:
        self.names[quest] = name

    @rule(quest=st.sampled_from("xyz"))
    def refold(self, quest: str) -> None:
        self.folded ^= {quest}

    @rule()
    def refresh(self) -> None:
        self.counters.take(self.counters.propose(dict(self.ledger), sorted(self.ledger), self.label, self.own))
        now = self.counters.values
        for labels, value in now.items():
            before = self.seen.get(labels, ZERO)
            if (value - before).growth() != value - before:
                self.fell.append((labels, before, value))
            if labels not in self.seen and value != ZERO:
                self.fell.append((labels, "does not begin at 0", value))
        self.fell += [(labels, "vanished") for labels in self.seen.keys() - now.keys()]
        self.seen = now

    def own(self, key: Key) -> Key:
        provider, model, quest = key
        return provider, model, self.names.get(str(quest), quest)

    def label(self, key: Key) -> Key:
        return (*key[:2], "other") if key[2] in self.folded else self.own(key)

    @invariant()
    def no_counter_falls_vanishes_or_begins_above_0(self) -> None:
        assert self.fell == []

    @invariant()
    def cardinality_is_bounded(self) -> None:
        assert len({labels for labels in self.seen if labels[1:] != ("other", "other")}) <= 6

    def teardown(self) -> None:
        """After two quiet refreshes nothing is owed any more: all that was charged is counted, and nothing else."""
        self.refresh()
        self.refresh()
        total = sum(self.seen.values(), ZERO)
        if not self.edited:
            assert total == self.charged_since_start
        excess = total - self.charged_since_start
        assert excess.growth() == ZERO


TestCountersOverTime = CountersOverTime.TestCase
TestCountersOverTime.settings = settings(settings(), max_examples=40, stateful_step_count=25)
