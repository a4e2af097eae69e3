"""Distinct tasks: as many as a set of Python's would hold, however they are numbered, cut and laid over one another."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.sums import RECENT_DAYS, WINDOWS, TaskNumbers, Tasks, in_window
from exporter.sums import tasks as module
from exporter.sums.tasks import TaskSets, everyone, unite
from tests.support.sizes import sizes
from tests.support.snapshots import TODAY

Charged = dict[tuple[str, int], set[str]]
"""Tasks by provider and day."""

some_tasks = st.sets(st.sampled_from("tuvwxyz"), max_size=5)
charged: st.SearchStrategy[Charged] = st.dictionaries(
    st.tuples(st.sampled_from(["A", "a", "B"]), st.integers(TODAY - 40, TODAY + 2)), some_tasks, max_size=8
)
provider_of = st.sampled_from([str, str.upper, everyone])


def numbered(numbers: TaskNumbers, charged: Charged) -> TaskSets:
    return {key: numbers.of(tasks) for key, tasks in charged.items()}


def naive(layers: list[Charged], provider_of: Callable[[str], str]) -> dict[str, tuple[int, ...]]:
    """The number of distinct tasks by provider and window, of sets of Python's."""
    found: dict[str, list[set[str]]] = {}
    for layer in layers:
        for (provider, day), tasks in layer.items():
            if day <= TODAY:
                windows = found.setdefault(provider_of(provider), [set() for _ in WINDOWS])
                for window, distinct in zip(WINDOWS, windows, strict=True):
                    if in_window(window, TODAY - day):
                        distinct.update(tasks)
    return {provider: tuple(len(distinct) for distinct in windows) for provider, windows in found.items()}


class TestNumbers:
    def test_each_task_has_one_number_and_they_begin_at_0(self) -> None:
        numbers = TaskNumbers()

        assert set(numbers.of(["t", "u", "t"])) == {0, 1}
        assert set(numbers.of(["v", "u"])) == {1, 2}
        assert len(numbers) == 3

    @given(st.lists(st.lists(st.integers(0, 40).map(str), max_size=12), max_size=12), st.integers(0, 8))
    def test_a_task_keeps_its_number_wherever_it_is_stored(self, asked: list[list[str]], recent: int) -> None:
        """In the dictionary, in the arrays, in both: as a dictionary of all would say."""
        numbers, known = TaskNumbers(), dict[str, int]()
        with sizes(recent_numbers=recent):
            for tasks in asked:
                expected = {known.setdefault(task, len(known)) for task in tasks}

                assert set(numbers.of(tasks)) == expected
        assert len(numbers) == len(known)

    def test_large_ledgers_are_numbered_alike(self) -> None:
        """More tasks than are kept in the dictionary, three times over, some of them seen again."""
        numbers = TaskNumbers()
        blocks = [[str(task) for task in range(start, start + 25_000)] for start in (0, 20_000, 40_000, 0)]
        sets = [numbers.of(block) for block in blocks]

        assert len(numbers) == 65_000
        assert [len(each) for each in sets] == [25_000] * 4
        assert sets[0] == sets[3]
        assert len(sets[0] & sets[1]) == 5_000
        assert len(sets[0] | sets[1] | sets[2]) == 65_000
        assert len(numbers._recent) <= module._RECENT_NUMBERS  # noqa: SLF001
        assert set(numbers.of(["24999", "64999", "new"])) == {24_999, 64_999, 65_000}

    @given(st.sets(st.integers(0, 300)), st.integers(1, 20))
    def test_tasks_that_are_gone_are_forgotten_and_the_others_keep_their_numbers(
        self, left: set[int], recent: int
    ) -> None:
        """No number is ever given again: another set may still hold it."""
        with sizes(recent_numbers=recent, number_buckets=4):
            numbers, names = TaskNumbers(), [f"t{place}" for place in range(300)]
            before = {name: numbers.of([name]) for name in names}
            kept = {name for place, name in enumerate(names) if place in left}
            due = numbers.forget_all_but([before[name] for name in kept], spare=0)

            assert due == 2 * len(kept)
            assert len(numbers) == (len(kept) if due < len(names) else len(names))
            assert all(numbers.of([name]) == before[name] for name in kept)
            known = set().union(*map(set, before.values()))
            gone = {name for name in names if name not in kept} if due < len(names) else set()
            assert all(known.isdisjoint(numbers.of([name])) for name in gone)

    def test_a_task_takes_12_bytes_where_there_are_many(self) -> None:
        numbers = TaskNumbers()
        numbers.of(str(task) for task in range(100_000))

        arrays = [*numbers._hashes, *numbers._numbers]  # noqa: SLF001
        assert sum(each.itemsize * len(each) for each in arrays) == 12 * 100_000
        assert max(map(len, arrays)) < 200


class TestCounts:
    def test_a_task_of_two_providers_counts_for_both_and_once_over_all(self) -> None:
        numbers = TaskNumbers()
        tasks = Tasks(TODAY, numbered(numbers, {("A", TODAY): {"t"}, ("B", TODAY): {"t"}}))

        assert tasks.counts(str) == {"A": (1, 0, 1, 1, 1), "B": (1, 0, 1, 1, 1)}
        assert tasks.counts(everyone) == {"": (1, 0, 1, 1, 1)}

    @pytest.mark.parametrize("age", [RECENT_DAYS, RECENT_DAYS + 1, 4000])
    def test_days_before_the_last_30_count_in_all_alone(self, age: int) -> None:
        assert Tasks(TODAY, numbered(TaskNumbers(), {("A", TODAY - age): {"t"}})).counts(str) == {"A": (0, 0, 0, 0, 1)}

    def test_a_day_to_come_does_not_count_yet(self) -> None:
        assert Tasks(TODAY, numbered(TaskNumbers(), {("A", TODAY + 1): {"t"}})).counts(str) == {}

    @given(st.lists(charged, min_size=1, max_size=3), provider_of)
    def test_layers_count_as_sets_of_all_their_tasks(
        self, layers: list[Charged], provider_of: Callable[[str], str]
    ) -> None:
        numbers = TaskNumbers()
        tasks = Tasks(TODAY, numbered(numbers, layers[0]))
        for layer in layers[1:]:
            tasks = Tasks(TODAY, numbered(numbers, layer)).over(tasks)

        assert tasks.counts(provider_of) == naive(layers, provider_of)
        assert tasks.counts(provider_of) == naive(layers, provider_of), "also when asked again"

    @given(st.lists(st.tuples(charged, charged), min_size=1, max_size=3), provider_of)
    def test_shards_count_as_one_ledger(
        self, shards: list[tuple[Charged, Charged]], provider_of: Callable[[str], str]
    ) -> None:
        """Each with its newest rows over settled ones; a task in two shards is one task."""
        numbers = TaskNumbers()
        parts = [
            Tasks(TODAY, numbered(numbers, newest)).over(Tasks(TODAY, numbered(numbers, settled)))
            for settled, newest in shards
        ]
        whole = parts[0]
        for part in parts[1:]:
            whole = part.over(whole)

        assert whole.counts(provider_of) == naive([layer for shard in shards for layer in shard], provider_of)

    def test_large_sets_count_exactly(self) -> None:
        numbers, tasks = TaskNumbers(), [str(task) for task in range(60_000)]
        below: Charged = {("A", TODAY): set(tasks[:40_000]), ("A", TODAY - 1): set(tasks[20_000:])}
        above: Charged = {("A", TODAY): set(tasks[30_000:50_000]), ("B", TODAY): set(tasks[::2])}
        both = Tasks(TODAY, numbered(numbers, above)).over(Tasks(TODAY, numbered(numbers, below)))

        assert both.counts(str) == {"A": (50_000, 40_000, 60_000, 60_000, 60_000), "B": (30_000, 0, *[30_000] * 3)}
        assert both.counts(everyone) == {"": (55_000, 40_000, 60_000, 60_000, 60_000)}

    @given(charged, charged)
    def test_counting_changes_no_set(self, below: Charged, above: Charged) -> None:
        """Sets belong to parts, and are counted again."""
        numbers = TaskNumbers()
        sets = numbered(numbers, below), numbered(numbers, above)
        before = [{key: set(tasks) for key, tasks in each.items()} for each in sets]
        Tasks(TODAY, sets[1]).over(Tasks(TODAY, sets[0])).counts(everyone)
        unite(sets)

        assert [{key: set(tasks) for key, tasks in each.items()} for each in sets] == before

    @given(st.lists(charged, max_size=3))
    def test_united_sets_hold_what_each_held(self, layers: list[Charged]) -> None:
        numbers = TaskNumbers()
        united = unite(numbered(numbers, layer) for layer in layers)

        assert united.keys() == {key for layer in layers for key in layer}
        for key, tasks in united.items():
            assert tasks == numbers.of({task for layer in layers for task in layer.get(key, ())})
