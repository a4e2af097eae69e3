"""Running tables and tasks say what tables and tasks of all rows say, and tell what has changed."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from exporter.backfill.running import RunningTally
from exporter.backfill.tasks import RunningTasks
from exporter.parts import WINDOWS, Key, Spend, Table, TaskNumbers
from exporter.parts.tasks import everyone

LABELS = ("provider", "quest")
DAY = 20_000

Row = tuple[Key, int, Spend]

rows = st.lists(
    st.tuples(
        st.tuples(st.sampled_from("ab"), st.sampled_from([None, "q", "r"])),
        st.integers(0, 40),
        st.builds(lambda cents: Spend(Decimal(cents) / 100, cents, 0, 1), st.integers(-500, 500)),
    ),
    max_size=6,
)
steps = st.lists(st.tuples(st.integers(0, 3), rows), min_size=1, max_size=8)
"""How many days pass, and what is booked then, by its age in days."""


def fold(key: Key) -> Key:
    return ("x" if key[0] == "b" else key[0], key[1])


@given(steps)
def test_windows_are_those_of_a_table_of_all_rows(history: list[tuple[int, list[Row]]]) -> None:
    """Of the table and of what is derived of it, before and after rows come in; what is not told has not changed."""
    today, booked = DAY, []
    tally: RunningTally[Spend] = RunningTally(LABELS, Spend(), today)
    tally.roll(today)
    told: dict[str, dict[tuple[Key, str], Spend]] = {}
    for days, new in history:
        if days:
            today += days
            tally.roll(today)
            told = {}
        else:
            tally.table.settle()
        for key, age, spend in new:
            booked.append((key, today - age, spend))
            tally.add(key, today - age, spend)
        expected = Table.of(LABELS, today, Spend(), booked)
        for name, mine, whole in (
            ("own", tally.table, expected),
            ("by", tally.table.by("quest"), expected.by("quest")),
            ("folded", tally.table.regroup(LABELS, fold), expected.regroup(LABELS, fold)),
            ("both", tally.table.regroup(LABELS, fold).by("provider"), expected.regroup(LABELS, fold).by("provider")),
        ):
            known = told.setdefault(name, {})
            known.update({(key, window): spend for key, window, spend in mine.windows(WINDOWS)})
            assert {(key, window): spend for key, window, spend in whole.windows(WINDOWS)} == known
            assert sorted(whole.present(), key=str) == sorted(mine.present(), key=str)


def test_only_what_has_changed_is_told() -> None:
    tally: RunningTally[Spend] = RunningTally(LABELS, Spend(), DAY)
    tally.add(("a", "q"), DAY, Spend(Decimal(1), 0, 0, 1))
    tally.add(("b", "r"), DAY, Spend(Decimal(2), 0, 0, 1))
    quests = tally.table.by("quest")
    tally.table.settle()
    tally.add(("a", "r"), DAY - 1, Spend(Decimal(3), 0, 0, 1))

    assert [(("r",), "yesterday", Decimal(3))] == [
        (key, window, spend.usd) for key, window, spend in quests.windows(["yesterday"])
    ]

    tally.table.settle()
    assert list(quests.windows(WINDOWS)) == []
    tally.table.tell_all()
    assert {("q",), ("r",)} == {key for key, _, _ in quests.windows(WINDOWS)}


def test_labels_may_be_decided_between_a_row_and_a_look() -> None:
    """Who comes in is labelled when the derived table is looked at, not before."""
    kept: set[object] = set()
    tally: RunningTally[Spend] = RunningTally(("quest",), Spend(), DAY)
    labelled = tally.table.regroup(("quest",), lambda key: key if key[0] in kept else ("other",))
    tally.add(("q",), DAY, Spend(Decimal(1), 0, 0, 1))
    kept.add("q")

    assert labelled.present() == [("q",)]


def test_a_key_is_a_newcomer_until_its_rows_are_30_days_old() -> None:
    tally: RunningTally[Spend] = RunningTally(("quest",), Spend(), DAY)
    spend = Spend(Decimal(1), 0, 0, 1)

    assert [tally.add(("q",), DAY, spend), tally.add(("q",), DAY, spend)] == [True, False]
    tally.roll(DAY + 29)
    assert not tally.add(("q",), DAY + 29, spend)
    tally.roll(DAY + 60)
    assert tally.add(("q",), DAY + 60, spend)


charged = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 40), st.lists(st.sampled_from("stuvw"))), max_size=6
)


@given(st.lists(st.tuples(st.integers(0, 3), charged), min_size=1, max_size=8))
def test_tasks_are_counted_once_in_each_window(history: list[tuple[int, list[tuple[str, int, list[str]]]]]) -> None:
    """By provider, by what providers are folded into, and over all of them."""
    today, seen = DAY, []
    tasks = RunningTasks(today, TaskNumbers())
    tasks.roll(today)
    ages = {"today": (0, 0), "yesterday": (1, 1), "7d": (0, 6), "30d": (0, 29), "all": (0, 9999)}

    def folded(provider: str) -> str:
        return "x" if provider == "b" else provider

    for days, new in history:
        if days:
            today += days
            tasks.roll(today)
        for provider, age, names in new:
            seen += [(provider, today - age, name) for name in names]
            tasks.add(provider, today - age, names)
        for name_of in (str, folded, everyone):
            expected: dict[str, tuple[int, ...]] = {
                label: tuple(
                    len(
                        {
                            name
                            for provider, day, name in seen
                            if name_of(provider) == label and ages[window][0] <= today - day <= ages[window][1]
                        }
                    )
                    for window in WINDOWS
                )
                for label in {name_of(provider) for provider, _, _ in seen}
            }
            found = {label: counts for label, counts in tasks.counts(name_of).items() if any(counts)}
            assert expected == found
