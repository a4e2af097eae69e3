"""Mergeable summaries of ledgers by day and label, and the windows made of them.

A day is the number of UTC days since 1970-01-01. Money is `Decimal` and is only ever added in `EXACT`, so that a sum of
parts equals the whole to the last digit. This module knows neither SQL nor HTTP.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Clamped, Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from fractions import Fraction
from typing import Generic, Protocol, Self, TypeVar

# PostgreSQL's numeric has up to 16,383 decimals, and a double cast to numeric up to 309 digits before them: with this
# precision no accepted value is ever rounded, and if one were, `Inexact` would say so. Small numbers cost nothing extra.
EXACT = Context(prec=20_000, traps=[Clamped, DivisionByZero, Inexact, InvalidOperation, Overflow])
ZERO = Decimal(0)

RECENT_DAYS = 30
WINDOWS = ("today", "yesterday", "7d", "30d", "all")
DAY_BOUND_WINDOWS = ("today", "yesterday")
_AGES = {"today": (0, 0), "yesterday": (1, 1), "7d": (0, 6), "30d": (0, RECENT_DAYS - 1), "all": (0, None)}

_SECONDS_A_DAY = 86_400


def day_of(instant: datetime) -> int:
    """Return the UTC day of an aware instant."""
    return int(instant.timestamp() // _SECONDS_A_DAY)


def day_name(day: int) -> str:
    """Return a day as in the label `day`: `2026-04-10`."""
    return datetime.fromtimestamp(day * _SECONDS_A_DAY, UTC).date().isoformat()


def day_seconds(day: int) -> int:
    """Return the day's first instant as a Unix timestamp."""
    return day * _SECONDS_A_DAY


def in_window(window: str, age: int) -> bool:
    """Tell whether a day `age` days before today lies in a window."""
    youngest, oldest = _AGES[window]
    return youngest <= age and (oldest is None or age <= oldest)


class Sums(Protocol):
    """What a table adds up: constructible as zero, and added exactly."""

    def __add__(self, other: Self, /) -> Self: ...


S = TypeVar("S", bound=Sums)


@dataclass(frozen=True, slots=True)
class Spend:
    """Charges added up: US dollars, tokens, and how many charges."""

    usd: Decimal = ZERO
    tokens_in: int = 0
    tokens_out: int = 0
    charges: int = 0

    def __add__(self, other: Spend) -> Spend:
        return Spend(
            EXACT.add(self.usd, other.usd),
            self.tokens_in + other.tokens_in,
            self.tokens_out + other.tokens_out,
            self.charges + other.charges,
        )

    def __sub__(self, other: Spend) -> Spend:
        return Spend(
            EXACT.subtract(self.usd, other.usd),
            self.tokens_in - other.tokens_in,
            self.tokens_out - other.tokens_out,
            self.charges - other.charges,
        )

    def growth(self) -> Spend:
        """Return this difference with every fall replaced by nothing."""
        return Spend(max(self.usd, ZERO), max(self.tokens_in, 0), max(self.tokens_out, 0), max(self.charges, 0))


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Outcomes added up: settled impact, cost and number; cost and number still pending."""

    impact: Decimal = ZERO
    usd: Decimal = ZERO
    settled: int = 0
    pending_usd: Decimal = ZERO
    pending: int = 0

    def __add__(self, other: Outcomes) -> Outcomes:
        return Outcomes(
            EXACT.add(self.impact, other.impact),
            EXACT.add(self.usd, other.usd),
            self.settled + other.settled,
            EXACT.add(self.pending_usd, other.pending_usd),
            self.pending + other.pending,
        )

    @property
    def impact_per_usd(self) -> Fraction | None:
        """Return the ratio of the sums, exactly; None where the cost is not above 0."""
        return Fraction(self.impact) / Fraction(self.usd) if self.usd > 0 else None


@dataclass(frozen=True, slots=True)
class Waste:
    """Wasted outcomes added up: US dollars, tokens and number."""

    usd: Decimal = ZERO
    tokens: int = 0
    outcomes: int = 0

    def __add__(self, other: Waste) -> Waste:
        return Waste(EXACT.add(self.usd, other.usd), self.tokens + other.tokens, self.outcomes + other.outcomes)


@dataclass(frozen=True, slots=True)
class Allocation:
    """Allocation rows added up: the US dollars allocated and recorded as spent; rows, and rows with a recorded spend."""

    usd: Decimal = ZERO
    recorded_usd: Decimal = ZERO
    rows: int = 0
    recorded_rows: int = 0

    def __add__(self, other: Allocation) -> Allocation:
        return Allocation(
            EXACT.add(self.usd, other.usd),
            EXACT.add(self.recorded_usd, other.recorded_usd),
            self.rows + other.rows,
            self.recorded_rows + other.recorded_rows,
        )

    @property
    def recorded_known(self) -> bool:
        """Tell whether the recorded spend is known: there is a record, or there is no row to record one in."""
        return self.recorded_rows > 0 or self.rows == 0


Key = tuple[str | None, ...]


@dataclass(frozen=True)
class Table(Generic[S]):
    """Sums by label set and day, as of one day.

    `labels` names the columns of the keys. Days beyond the 30 that windows tell apart stand together as day `today - 30`.
    """

    labels: tuple[str, ...]
    today: int
    zero: S
    cells: Mapping[Key, Mapping[int, S]]

    @classmethod
    def of(cls, labels: tuple[str, ...], today: int, zero: S, rows: Iterable[tuple[Key, int, S]]) -> Table[S]:
        """Build a table from rows (key, day, sums); rows of one key and day add up."""
        cells: dict[Key, dict[int, S]] = {}
        for key, day, sums in rows:
            days = cells.setdefault(key, {})
            days[day] = days[day] + sums if day in days else sums
        return cls(labels, today, zero, cells)

    def rows(self) -> Iterator[tuple[Key, int, S]]:
        """Yield every (key, day, sums)."""
        for key, days in self.cells.items():
            for day, sums in days.items():
                yield key, day, sums

    def __add__(self, other: Table[S]) -> Table[S]:
        return Table.of(self.labels, self.today, self.zero, (row for part in (self, other) for row in part.rows()))

    def regroup(self, labels: tuple[str, ...], key_of: Callable[[Key], Key]) -> Table[S]:
        """Return the table under other keys; keys that become one add up."""
        new_keys = {key: key_of(key) for key in self.cells}
        return Table.of(labels, self.today, self.zero, ((new_keys[key], day, sums) for key, day, sums in self.rows()))

    def by(self, *labels: str) -> Table[S]:
        """Return the marginal over some of the labels, in the order given."""
        if labels == self.labels:
            return self
        columns = [self.labels.index(label) for label in labels]
        return self.regroup(labels, lambda key: tuple(key[column] for column in columns))

    def where(self, condition: Callable[[S], bool]) -> Table[S]:
        """Return the table with only the cells whose sums meet a condition."""
        return Table.of(
            self.labels, self.today, self.zero, ((key, day, sums) for key, day, sums in self.rows() if condition(sums))
        )

    def is_recent(self, key: Key) -> bool:
        """Tell whether the key has a row in the last 30 days."""
        return any(self.today - day < RECENT_DAYS for day in self.cells.get(key, ()))

    def recent_keys(self) -> list[Key]:
        """Return the keys that have a row in the last 30 days."""
        return [key for key in self.cells if self.is_recent(key)]

    def window(self, key: Key, window: str) -> S:
        """Return a key's sums in a window, zero where it has no row."""
        total = self.zero
        for day, sums in self.cells.get(key, {}).items():
            if in_window(window, self.today - day):
                total = total + sums
        return total

    def windows(self, complete: Iterable[str]) -> Iterator[tuple[Key, str, S]]:
        """Yield (key, window, sums) for all that is published.

        A key with a row in the last 30 days is in every complete window, zero included; an older one only in `all`.
        """
        complete = tuple(complete)
        for key in self.cells:
            recent = self.is_recent(key)
            for window in complete:
                if recent or window == "all":
                    yield key, window, self.window(key, window)

    def total(self, day: int) -> S:
        """Return the sums of one day over all keys."""
        total = self.zero
        for days in self.cells.values():
            if day in days:
                total = total + days[day]
        return total


TaskDays = Mapping[tuple[str, str], int]
"""(provider, task) to the days it was charged on: bit `n` stands for `n` days ago, bit 30 for all earlier days."""

_WINDOW_BITS = {window: sum(1 << age for age in range(RECENT_DAYS + 1) if in_window(window, age)) for window in WINDOWS}


def merge_task_days(parts: Iterable[Iterable[tuple[tuple[str, str], int]]]) -> dict[tuple[str, str], int]:
    """Unite task days; a task charged in two places is one task."""
    merged: dict[tuple[str, str], int] = defaultdict(int)
    for part in parts:
        for key, days in part:
            merged[key] |= days
    return dict(merged)


def count_tasks(tasks: TaskDays, windows: Iterable[str]) -> dict[tuple[str, str], int]:
    """Return the number of distinct tasks by (provider, window), 0 for providers charged only outside a window."""
    by_provider: dict[str, list[int]] = defaultdict(list)
    for (provider, _), days in tasks.items():
        by_provider[provider].append(days)
    return {
        (provider, window): sum(1 for days in masks if days & _WINDOW_BITS[window])
        for provider, masks in by_provider.items()
        for window in windows
    }


def count_all_tasks(tasks: TaskDays, windows: Iterable[str]) -> dict[str, int]:
    """Return the number of distinct tasks over all providers by window."""
    everyone = merge_task_days([((("", task), days) for (_, task), days in tasks.items())])
    counts = count_tasks(everyone, WINDOWS)
    return {window: counts.get(("", window), 0) for window in windows}


@dataclass(frozen=True, slots=True)
class TaskOutcome:
    """One outcome that may be ranked. `instant` is in microseconds since 1970; `impact` is None while unscored."""

    task: str
    title: str | None
    quest: str | None
    layer: str | None
    impact: Decimal | None
    usd: Decimal
    tokens: int
    instant: int
    reason: str = ""

    @property
    def impact_per_usd(self) -> Fraction:
        """Return the exact ratio; the outcome must be scored and its cost above 0."""
        if self.impact is None:
            raise ValueError("an unscored outcome has no impact per dollar")
        return Fraction(self.impact) / Fraction(self.usd)


@dataclass(frozen=True)
class Part:
    """What every ledger's part tells, beside its figures.

    `instant` is when the part was read (Unix seconds), `today` the UTC day then. `rejected` counts the rows left out by
    reason; `newest` is the newest accepted instant not after `instant`, in microseconds.
    """

    instant: float
    today: int
    rows: int
    rejected: Mapping[str, int]
    newest: int | None

    def _merged_base(self, other: Part) -> tuple[float, int, int, dict[str, int], int | None]:
        return (
            min(self.instant, other.instant),
            self.today,
            self.rows + other.rows,
            {reason: self.rejected[reason] + other.rejected[reason] for reason in self.rejected},
            max((newest for newest in (self.newest, other.newest) if newest is not None), default=None),
        )


@dataclass(frozen=True)
class CostPart(Part):
    """The cost ledger of one source. Keys are (provider family, model, quest id), the latter two as booked."""

    spend: Table[Spend]
    gross: Mapping[Key, Spend]
    first_seen: Mapping[Key, int]
    tasks: TaskDays | None
    task_spend: Mapping[tuple[str, str | None], Spend] | None
    has_tokens_out: bool

    def __add__(self, other: CostPart) -> CostPart:
        first_seen = dict(self.first_seen)
        for key, instant in other.first_seen.items():
            first_seen[key] = min(instant, first_seen.get(key, instant))
        return CostPart(
            *self._merged_base(other),
            spend=self.spend + other.spend,
            gross=add_maps(self.gross, other.gross),
            first_seen=first_seen,
            tasks=None
            if self.tasks is None or other.tasks is None
            else merge_task_days([self.tasks.items(), other.tasks.items()]),
            task_spend=None
            if self.task_spend is None or other.task_spend is None
            else add_maps(self.task_spend, other.task_spend),
            has_tokens_out=self.has_tokens_out and other.has_tokens_out,
        )


@dataclass(frozen=True)
class ImpactPart(Part):
    """The impact ledger of one source. Keys are (quest id, layer[, reason]) as booked."""

    outcomes: Table[Outcomes]
    waste: Table[Waste]
    best: tuple[TaskOutcome, ...]
    wasted: tuple[TaskOutcome, ...]

    def __add__(self, other: ImpactPart) -> ImpactPart:
        return ImpactPart(
            *self._merged_base(other),
            outcomes=self.outcomes + other.outcomes,
            waste=self.waste + other.waste,
            best=self.best + other.best,
            wasted=self.wasted + other.wasted,
        )


@dataclass(frozen=True)
class BudgetPart(Part):
    """The budget ledger of one source, by quest id.

    `newest_day` is the newest day with an allocation that is not after today, `current` its allocations; `names` maps a
    quest id to the day of its newest row and the names booked that day.
    """

    allocations: Table[Allocation]
    newest_day: int | None
    current: Mapping[str | None, Decimal]
    names: Mapping[str, tuple[int, frozenset[str]]]

    def __add__(self, other: BudgetPart) -> BudgetPart:
        days = [day for day in (self.newest_day, other.newest_day) if day is not None]
        newest_day = max(days, default=None)
        current: dict[str | None, Decimal] = {}
        for part in (self, other):
            if part.newest_day == newest_day:
                for quest, usd in part.current.items():
                    current[quest] = EXACT.add(current.get(quest, ZERO), usd)
        names = dict(self.names)
        for quest, (day, booked) in other.names.items():
            known_day, known = names.get(quest, (day, frozenset()))
            names[quest] = (day, booked | known) if day == known_day else max((day, booked), (known_day, known))
        return BudgetPart(
            *self._merged_base(other),
            allocations=self.allocations + other.allocations,
            newest_day=newest_day,
            current=current,
            names=names,
        )


K = TypeVar("K")


def add_maps(one: Mapping[K, Spend], other: Mapping[K, Spend]) -> dict[K, Spend]:
    """Add two maps of spend key by key."""
    total = dict(one)
    for key, spend in other.items():
        total[key] = total[key] + spend if key in total else spend
    return total
