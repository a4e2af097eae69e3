"""The costliest tasks: found piece by piece, they are what sorting all of them finds."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from exporter.publishing.costliest import Costliest, Ranked, TaskKey
from exporter.sums import Spend, TaskSpend
from tests.support.sizes import sizes
from tests.support.snapshots import usd

Label = Callable[[tuple[str, str | None]], TaskKey]


def plain(key: tuple[str, str | None]) -> TaskKey:
    return key[0], key[1] or "unknown"


def folded(key: tuple[str, str | None]) -> TaskKey:
    return key[0].lower(), "other"


def naive(pieces: list[TaskSpend], label: Label, top: int) -> Ranked:
    sums: dict[TaskKey, Spend] = {}
    for piece in pieces:
        for key, spend in piece.items():
            sums[label(key)] = sums.get(label(key), Spend()) + spend
    order = sorted(sums.items(), key=lambda item: (-Fraction(item[1].usd), *(part.encode() for part in item[0])))
    return tuple(order[:top])


tasks = st.tuples(
    st.sampled_from(["a", "A", "b", "c", "d", "e", "f", "\uffff", "\U0001f680"]), st.sampled_from(["x", None])
)
spends = st.builds(Spend, st.sampled_from([Decimal(n) for n in ("-2", "-1", "0", "0.1", "1", "2")]), charges=st.just(1))
pieces: st.SearchStrategy[TaskSpend] = st.dictionaries(tasks, spends, max_size=5)


@st.composite
def steps(draw: st.DrawFn) -> list[tuple[list[TaskSpend], list[TaskSpend], Label]]:
    """Refreshes: what is settled grows, loses a piece now and then, or has one read again; the newest is another each time."""
    settled: list[TaskSpend] = []
    label: Label = plain
    found = []
    for _ in range(draw(st.integers(1, 8))):
        settled = settled + draw(st.lists(pieces, max_size=2))
        if settled and draw(st.integers(0, 4)) == 0:
            gone = draw(st.integers(0, len(settled) - 1))
            settled = settled[:gone] + settled[gone + 1 :]
        if settled and draw(st.integers(0, 2)) == 0:
            again = draw(st.integers(0, len(settled) - 1))
            settled = [*settled[:again], dict(settled[again]), *settled[again + 1 :]]
        if draw(st.integers(0, 6)) == 0:
            label = folded if label is plain else plain
        found.append((settled, draw(st.lists(pieces, max_size=2)), label))
    return found


@given(steps(), st.integers(1, 3), st.sampled_from([0, 1, 3, 2000]))
def test_they_are_the_first_of_all_sorted(
    steps: list[tuple[list[TaskSpend], list[TaskSpend], Label]], top: int, spare: int
) -> None:
    """At each refresh: with pieces added and gone, refunds that pull a task down, and labels that change."""
    found = Costliest(top)
    with sizes(spare_tasks=spare):
        for settled, newest, label in steps:
            assert found.of(settled, newest, label) == naive([*settled, *newest], label, top)


def test_a_task_that_is_refunded_makes_room_for_one_that_was_not_kept() -> None:
    found = Costliest(1)
    dear: TaskSpend = {("dear", "x"): usd("9")}
    cheap: TaskSpend = {(f"cheap-{n}", "x"): usd("1") for n in range(5)}
    refund: TaskSpend = {("dear", "x"): usd("-9")}
    with sizes(spare_tasks=0):
        assert found.of([dear, cheap], [], plain) == ((("dear", "x"), usd("9")),)
        assert found.of([dear, cheap, refund], [], plain) == ((("cheap-0", "x"), usd("1")),)


def test_pieces_that_stay_are_added_once() -> None:
    """That is what a refresh costs: what is new."""
    labelled: list[tuple[str, str | None]] = []

    def label(key: tuple[str, str | None]) -> TaskKey:
        labelled.append(key)
        return plain(key)

    one, other = {("t", "x"): usd("1")}, {("u", "x"): usd("2")}
    found = Costliest(5)
    found.of([one], [], label)
    found.of([one, other], [], label)

    assert labelled == [("t", "x"), ("u", "x")]


def test_a_piece_that_is_read_again_costs_no_more_than_itself() -> None:
    """The walk reads pieces of today and yesterday all the time, of half a million tasks perhaps."""
    labelled: list[tuple[str, str | None]] = []

    def label(key: tuple[str, str | None]) -> TaskKey:
        labelled.append(key)
        return plain(key)

    many: TaskSpend = {(f"t-{n}", "x"): usd("1") for n in range(100)}
    one: TaskSpend = {("u", "x"): usd("2")}
    found = Costliest(2)
    first = found.of([many, one], [], label)
    ordered, labelled[:] = found._ordered, []  # noqa: SLF001

    assert found.of([many, dict(one)], [], label) == first
    assert labelled == [("u", "x")] * 2
    assert found._ordered is ordered  # noqa: SLF001
    assert found.of([many, {("u", "x"): usd("0.5")}], [], label) == ((("t-0", "x"), usd("1")), (("t-1", "x"), usd("1")))


def test_tasks_that_are_published_alike_add_up() -> None:
    piece: TaskSpend = {("t", None): usd("1", 5), ("T", "x"): usd("2", 6)}

    assert Costliest(5).of([piece], [], folded) == ((("t", "other"), usd("3", 11, charges=2)),)


def test_more_newest_tasks_than_are_kept_in_reserve_push_none_out() -> None:
    settled: TaskSpend = {(f"s-{n}", "x"): usd("5") for n in range(6)}
    newest: TaskSpend = {(f"s-{n}", "x"): usd("-5") for n in range(4)}
    with sizes(spare_tasks=1):
        found = Costliest(2).of([settled], [newest], plain)

    assert [key for key, _ in found] == [("s-4", "x"), ("s-5", "x")]
