"""Tables: sums by label set and day, in windows; laid over one another they are what one table of all rows is."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.sums import RECENT_DAYS, WINDOWS, Key, Spend, Table, in_window
from exporter.sums.table import Flat, Layered, layered
from tests.support.snapshots import TODAY, spend, usd
from tests.support.table_rows import LABELS, Rows, rows

MARGINALS = ((), ("provider",), ("quest",), ("quest", "provider"), LABELS)


def table(rows: Rows) -> Table[Spend]:
    return Table.of(LABELS, TODAY, Spend(), rows)


def naive(rows: Rows, window: str) -> dict[Key, Spend]:
    """Each key's sums in a window, row by row."""
    found: dict[Key, Spend] = {}
    for key, day, sums in rows:
        if in_window(window, TODAY - day):
            found[key] = found.get(key, Spend()) + sums
    return found


def shown(table: Table[Spend]) -> object:
    """All that a table tells, whatever it is made of."""
    return (
        table.labels,
        {(key, window): sums for key, window, sums in table.windows(WINDOWS)},
        set(table.present()),
        set(table.recent_keys()),
        {day: table.total(day) for day in range(TODAY - RECENT_DAYS, TODAY + 3)},
    )


class TestWindows:
    def test_a_recent_key_is_in_every_window_zero_included(self) -> None:
        """One row 29 days old is enough to know that nothing happened since."""
        found = {window: sums.usd for _, window, sums in spend((("A", "m", "x"), 29, usd("5"))).windows(WINDOWS)}

        assert found == {"today": 0, "yesterday": 0, "7d": 0, "30d": 5, "all": 5}

    def test_an_old_key_is_in_all_alone(self) -> None:
        found = {window: sums.usd for _, window, sums in spend((("A", "m", "x"), 30, usd("5"))).windows(WINDOWS)}

        assert found == {"all": 5}

    def test_only_complete_windows_are_published(self) -> None:
        found = [window for _, window, _ in spend((("A", "m", "x"), 0, usd("5"))).windows(("7d", "all"))]

        assert found == ["7d", "all"]

    def test_a_key_that_does_not_exist_is_zero(self) -> None:
        assert spend().window(("A", "m", "x"), "all") == Spend()

    def test_recent_keys_are_those_of_the_last_30_days(self) -> None:
        young, old = ("A", "m", "x"), ("B", "m", "x")

        assert spend((young, 29, usd("1")), (old, 30, usd("1"))).recent_keys() == [young]

    def test_a_day_to_come_is_in_no_window(self) -> None:
        tomorrow = spend((("A", "m", "x"), -1, usd("5")))

        assert list(tomorrow.windows(WINDOWS)) == []
        assert tomorrow.present() == []

    @given(rows)
    def test_a_window_is_the_sum_of_its_rows(self, rows: Rows) -> None:
        made = table(rows)

        for window in WINDOWS:
            expected = naive(rows, window)
            assert {key: made.window(key, window) for key in expected} == expected

    @given(rows)
    def test_a_key_is_recent_if_one_of_its_rows_is(self, rows: Rows) -> None:
        made, recent = table(rows), set(naive(rows, "30d"))

        assert set(made.recent_keys()) == recent
        assert {key for key, _, _ in rows if made.is_recent(key)} == recent
        assert set(made.present()) == set(naive(rows, "all"))


class TestTables:
    def test_rows_of_one_key_and_day_add_up(self) -> None:
        key = ("A", "m", "x")

        assert spend((key, 0, usd("1.10", 1, 2)), (key, 0, usd("2.20", 3, 4))).window(key, "today") == usd(
            "3.30", 4, 6, 2
        )

    def test_a_marginal_takes_its_labels_in_the_order_asked_for(self) -> None:
        marginal = spend((("A", "m", "x"), 0, usd("1"))).by("quest", "provider")

        assert (marginal.labels, marginal.present()) == (("quest", "provider"), [("x", "A")])

    def test_the_total_of_a_day_is_over_all_keys(self) -> None:
        assert spend(
            (("A", "m", "x"), 1, usd("1")), (("B", "m", "x"), 1, usd("2")), (("B", "m", "x"), 0, usd("4"))
        ).total(TODAY - 1) == usd("3", charges=2)

    @given(rows, st.sampled_from(MARGINALS))
    def test_the_parts_of_a_marginal_equal_the_whole(self, rows: Rows, labels: tuple[str, ...]) -> None:
        """However the ledger is cut, its sum is the same, to the last digit."""
        marginal = table(rows).by(*labels)
        whole = sum((Fraction(sums.usd) for _, day, sums in rows if day <= TODAY), Fraction())

        assert sum((Fraction(marginal.window(key, "all").usd) for key in marginal.present()), Fraction()) == whole

    def test_what_was_derived_is_remembered_with_what_derived_it(self) -> None:
        made = spend((("A", "m", "x"), 0, usd("1")))

        assert made.by("quest") is made.by("quest")
        assert made.by("quest") is not made.by("model")


class TestLayers:
    """The newest rows are laid over a table that stays: as if it were one table."""

    @given(st.lists(rows, min_size=1, max_size=4))
    def test_layers_are_the_table_of_all_their_rows(self, cut: list[Rows]) -> None:
        """Shards and ranges add up to what one ledger would say, in every window, to the last digit."""
        assert shown(layered(map(table, cut))) == shown(table([row for rows in cut for row in rows]))

    @given(rows, rows, st.sampled_from(MARGINALS))
    def test_their_marginals_are_its_marginals(self, below: Rows, above: Rows, labels: tuple[str, ...]) -> None:
        both = table(above).over(table(below))

        assert shown(both.by(*labels)) == shown(table(below + above).by(*labels))

    @given(rows, rows)
    def test_what_was_taken_away_above_is_not_there(self, rows: Rows, taken: Rows) -> None:
        """A layer may hold differences: a key without rows left is no key."""
        negative = table([(key, day, -sums) for key, day, sums in taken])

        assert shown(negative.over(table(rows + taken))) == shown(table(rows))

    def test_what_is_derived_of_the_lower_one_is_derived_once(self) -> None:
        base = spend((("A", "m", "x"), 0, usd("1")))
        one, other = (spend((("A", "m", "x"), 0, usd(more))).over(base).by("quest") for more in ("2", "3"))

        assert isinstance(one, Layered)
        assert isinstance(other, Layered)
        assert one._base is other._base is base.by("quest")  # noqa: SLF001 - that nothing was derived twice shows nowhere else
        assert isinstance(base.by("quest"), Flat)

    def test_a_layer_leaves_what_it_lies_on_as_it_is(self) -> None:
        key = ("A", "m", "x")
        base = spend((key, 0, usd("1")))
        above = spend((key, 0, usd("2"))).over(base)

        assert (above.window(key, "all"), base.window(key, "all")) == (usd("3", charges=2), usd("1"))

    def test_rows_of_all_layers_are_told(self) -> None:
        one, other = (("A", "m", "x"), TODAY, usd("1")), (("B", "m", "x"), TODAY, usd("2"))

        assert list(table([other]).over(table([one])).rows()) == [one, other]


@pytest.mark.parametrize("age", [RECENT_DAYS, RECENT_DAYS + 1, 4000])
def test_days_beyond_the_30_stand_together(age: int) -> None:
    assert [day for _, day, _ in spend((("A", "m", "x"), age, usd("1"))).rows()] == [TODAY - RECENT_DAYS]
