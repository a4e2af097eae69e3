"""Tables that rows are added to as time goes on; what they tell is what has changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Generic

from exporter.parts import RECENT_DAYS, WINDOWS, Key, S, Table
from exporter.parts.days import WINDOWS_BY_AGE
from exporter.parts.settled import Tally


class Running(Table[S]):
    """Sums by label set in each window, as of a day, to which rows are added.

    `windows` tells only of keys that have changed since `settle`. Tables derived of it follow, each when it is next looked at:
    in between it may be decided who keeps a label.
    """

    def __init__(self, labels: tuple[str, ...], today: int, zero: S, sums: dict[Key, tuple[S, ...]]) -> None:
        """`sums` are those of each key in each of `WINDOWS`; they become the table's own."""
        super().__init__(labels, today, zero)
        self._sums = sums
        self._changed = set(sums)
        self._tells_all = False
        self._incoming: list[tuple[Key, int, S]] = []
        self._followers: list[_Follower[S]] = []

    def add(self, key: Key, day: int, sums: S) -> None:
        """Add sums of a day that is not after today."""
        self._incoming.append((key, min(self.today - day, RECENT_DAYS), sums))

    def settle(self) -> None:
        """Begin anew to note what changes."""
        self._take_in()
        self._changed.clear()
        self._tells_all = False
        for follower in self._followers:
            follower.settle()

    def tell_all(self) -> None:
        """Take every key as changed, those too that are still to come in."""
        self._tells_all = True
        for follower in self._followers:
            follower.tell_all()

    def forget_derived(self) -> None:
        """Forget the tables derived of this one."""
        self._take_in()
        self._derived.clear()
        self._followers.clear()

    @property
    def sums(self) -> Mapping[Key, tuple[S, ...]]:
        """Every key's sums in each of the windows, in the order of `WINDOWS`."""
        self._take_in()
        return self._sums

    def told(self) -> Iterable[tuple[Key, tuple[S, ...]]]:
        """Return the keys that have changed, with their sums."""
        sums = self.sums
        return sums.items() if self._tells_all else [(key, sums[key]) for key in self._changed]

    def _take_in(self) -> None:
        if not self._incoming:
            return
        incoming, self._incoming = self._incoming, []
        for key, age, added in incoming:
            positions = WINDOWS_BY_AGE[age]
            before = self._sums.get(key) or (self.zero,) * len(WINDOWS)
            self._sums[key] = tuple(
                [sums + added if position in positions else sums for position, sums in enumerate(before)]
            )
            self._changed.add(key)
        for follower in self._followers:
            follower.note(incoming)

    def _regrouped(self, labels: tuple[str, ...], key_of: Callable[[Key], Key]) -> Table[S]:
        sums: dict[Key, tuple[S, ...]] = {}
        for key, own in self.sums.items():
            new = key_of(key)
            known = sums.get(new)
            sums[new] = own if known is None else tuple([one + other for one, other in zip(known, own, strict=True)])
        follower = _Follower(labels, self.today, self.zero, sums, self, key_of)
        self._followers.append(follower)
        return follower

    def rows(self) -> Iterator[tuple[Key, int, S]]:
        """Not told: sums are kept by window."""
        raise NotImplementedError

    def total(self, day: int) -> S:
        """Not told: sums are kept by window."""
        raise NotImplementedError


class _Follower(Running[S]):
    """A running table under other keys."""

    def __init__(  # noqa: PLR0913, PLR0917 - a table, and what it follows
        self,
        labels: tuple[str, ...],
        today: int,
        zero: S,
        sums: dict[Key, tuple[S, ...]],
        followed: Running[S],
        key_of: Callable[[Key], Key],
    ) -> None:
        super().__init__(labels, today, zero, sums)
        self._followed = followed
        self._key_of = key_of
        self._noted: list[tuple[Key, int, S]] = []

    def note(self, rows: list[tuple[Key, int, S]]) -> None:
        """Note what has come into the table that is followed."""
        self._noted += rows

    def _take_in(self) -> None:
        self._followed._take_in()  # noqa: SLF001 - of its own kind
        noted, self._noted = self._noted, []
        self._incoming = [(self._key_of(key), age, added) for key, age, added in noted]
        super()._take_in()


class RunningTally(Generic[S]):
    """A table by day, and its running windows."""

    def __init__(self, labels: tuple[str, ...], zero: S, today: int) -> None:
        self._labels, self._zero = labels, zero
        self._tally = Tally(labels, zero, today)
        self._active: set[Key] = set()
        self.table: Running[S] = Running(labels, today, zero, {})

    def roll(self, today: int) -> None:
        """Go over to another day: all is told anew."""
        self._tally.roll(today)
        self.table = Running(self._labels, today, self._zero, dict(self._tally.table().sums))
        self._active = set(self.table.recent_keys())

    def add(self, key: Key, day: int, sums: S) -> bool:
        """Add sums of a day; tell whether the key had no row in the last 30 days."""
        self._tally.add([(key, day, sums)])
        self.table.add(key, day, sums)
        if key in self._active:
            return False
        self._active.add(key)
        return True
