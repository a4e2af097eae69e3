"""A ledger of one source, read incrementally: settled ranges with their parts, the newest rows, and what must be read again."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from exporter.incremental.tail import MAX_KNOWN, MAX_UPDATES, Mark, Tail, Updates
from exporter.incremental.walk import Walk, summary
from exporter.ledgers.ledger import Abilities, Ledger
from exporter.ledgers.source import Dialogue, Query, Question, Result, together
from exporter.ledgers.span import Span
from exporter.parts import RECENT_DAYS, WINDOWS, Part
from exporter.parts.days import MICROSECONDS_A_DAY, first_day
from exporter.parts.ranges import BEGINNING, END, Range, RangePart, Tiling
from exporter.parts.settled import Settled
from exporter.parts.tasks import TaskSet

log = logging.getLogger(__name__)

NEWEST_SECONDS = 60
SMALL_ROWS = 500
FULL = 1.25
"""At so many times the newest rows that are kept the older ones are frozen: early, as they are read at every refresh."""
RANGE_ROWS = 10_000
LEDGER_SHARE = 1_000
REREAD_ROWS = 20_000
CHUNK_ROWS = 20_000
SMALLEST_CHUNK_ROWS = 500
MANY_ROWS = 100_000
"""So many newest rows, where reading them failed, are not tried again: the ledger is loaded anew, piece by piece."""
UNINDEXED_ROWS = 20_000
_REMEDY = "ledger-exporter check --deep says which index to make, or why there can be none"
PROBE_SECONDS = 3600
"""How often it is asked again what server and relation can do: ledgers grow, indexes come and go."""
SETTLING_SECONDS = 6 * 3600
"""How long after its outcomes settle a range stays small: until then its rows are updated."""


def midnight(instant: int) -> int:
    """Return the first instant of an instant's UTC day, in microseconds."""
    return instant // MICROSECONDS_A_DAY * MICROSECONDS_A_DAY


@dataclass(frozen=True)
class State:
    """What a refresh learns of a ledger as a whole. Instants are in microseconds since 1970."""

    identity: str
    xmin: int | None
    xmax: int | None
    oldest: int | None
    unplaced: int
    largest_id: int | None


class Reader:
    """Knows a ledger of one source as of the last refresh.

    Every method that reads is a dialogue; what it found is taken in when it ends, so that a broken one changes nothing.
    """

    def __init__(self, ledger: Ledger[Any]) -> None:
        self.ledger = ledger
        self.abilities: Abilities | None = None
        self.rows_read = 0
        self.corrections = 0
        self.carried_over = 0
        self.chunk_rows = CHUNK_ROWS
        self.troubled = False
        self._connection: int | None = None
        self._probed: tuple[int, float] | None = None
        self.forget()

    def forget(self) -> None:
        """Know nothing, as at first: also what to do when taking in what was read broke off half way."""
        self.tiling: Tiling | None = None
        self.settled: Settled | None = None
        self._today: int | None = None
        self._settled_before: int | None = None
        self._newest_span: Span | None = None
        self._newest: RangePart | None = None
        self._future: Range | None = None
        self._state: State | None = None
        self._tail: Tail | None = None
        self._overlooks = False
        self._updates = Updates()
        self.walk = Walk()
        self._dirty: set[int] = set()
        self._cycles = 0
        self._question: Question | None = None

    def break_off(self) -> None:
        """Begin anew after an error nobody foresaw: it may have come when half of what was read had been taken in."""
        self.forget()
        self.troubled = True

    # What is known

    @property
    def is_complete(self) -> bool:
        """Tell whether the whole ledger is loaded."""
        return self.tiling is not None and self.tiling.start == BEGINNING

    @property
    def _now(self) -> float | None:
        return None if self._question is None else self._question.now.timestamp()

    def is_at_ease(self, question: Question, connection: int) -> bool:
        """Tell whether it may be read together with others: it was read before on this connection, and without trouble."""
        return connection == self._connection and not self.troubled and not self._is_to_be_probed(question, connection)

    @property
    def loaded_from(self) -> int:
        """Return from which instant on everything is loaded."""
        return END if self.tiling is None else self.tiling.start

    def progress(self) -> float:
        """Return the share of the ledger's time that is loaded, 1 when all is."""
        if self.abilities is not None and self.must_read_whole:
            return 1.0
        if self.tiling is None or self._state is None or self._now is None:
            return 0.0
        oldest = self._state.oldest
        if self.is_complete or oldest is None or self.tiling.start <= oldest:
            return 1.0
        now = int(self._now * 1_000_000)
        return max(0.0, min(1.0, (now - self.tiling.start) / max(1, now - oldest)))

    def verified_age(self) -> float | None:
        """Return the seconds since the oldest reading of a range, None while nothing is known."""
        if self.tiling is None or self._now is None:
            return None
        return self._now - min((each.read for each in self.tiling), default=self._now)

    def take_corrections(self) -> int:
        """Return how many corrections there were since this was asked last."""
        corrections, self.corrections = self.corrections, 0
        return corrections

    def parts(self) -> list[RangePart]:
        """Return the parts of all settled ranges, in order of time."""
        return [] if self.tiling is None else [each.part for each in self.tiling]

    def task_sets(self) -> Iterator[TaskSet]:
        """Yield all sets of tasks there are of the ledger."""
        known = [self._newest, self._future.part if self._future is not None else None, *self.parts()]
        for part in known:
            if part is not None:
                yield from part.tasks.values()

    def range_rows(self) -> int:
        """Return up to how many rows ranges merge."""
        return max(RANGE_ROWS, 0 if self.settled is None else self.settled.rows // LEDGER_SHARE)

    def windows(self, today: int) -> tuple[str, ...]:
        """Return the windows for which every row is loaded."""
        if self.tiling is None:
            return ()
        if self.is_complete or (
            self._state is not None and (self._state.oldest is None or self.tiling.start <= self._state.oldest)
        ):
            return WINDOWS
        found = []
        for window in WINDOWS:
            first = first_day(window, today)
            if first is not None and self.tiling.start <= first * MICROSECONDS_A_DAY:
                found.append(window)
        return tuple(found)

    # A refresh

    def probe(self, question: Question, connection: int) -> Dialogue[None]:
        """Learn what server and relation can do, where that is not known of this connection."""
        if self._is_to_be_probed(question, connection):
            before = self.abilities is not None and self.must_read_whole
            self.abilities = yield from self.ledger.probe(question)
            self._probed = connection, question.now.timestamp()
            if self.must_read_whole and not before:
                log.warning(
                    "no index leads to the instants of this ledger: it is read whole at each refresh",
                    extra={"ledger": self.ledger.name, "rows": self.abilities.rows, "remedy": _REMEDY},
                )

    def _is_to_be_probed(self, question: Question, connection: int) -> bool:
        """Tell whether it is time to ask: what is read whole for want of an index is asked about each time."""
        if self._probed is None or self._probed[0] != connection or self.must_read_whole:
            return True
        return abs(question.now.timestamp() - self._probed[1]) >= PROBE_SECONDS

    @property
    def must_read_whole(self) -> bool:
        """Tell whether ranges cannot be found without reading the whole relation, and that is large."""
        return not self._able.indexed and self._able.rows >= UNINDEXED_ROWS

    def refresh(self, question: Question, connection: int) -> Dialogue[Part]:
        """Read what is new and return what is known of the whole ledger.

        `connection` is a number that is another on every new connection.
        """
        now = int(question.now.timestamp() * 1_000_000)
        if self._today is not None and question.today < self._today:
            self.forget()  # the clock was set back: what days were put together can not be taken apart
        if self.troubled and (yield from self._is_flooded(question)):
            self.forget()
        if self._newest_span is None:
            return (yield from self._begin(question, connection, now))
        return (yield from self._follow(question, connection, now))

    def _is_flooded(self, question: Question) -> Dialogue[bool]:
        """Tell whether very many rows came to the newest range at once: a ledger was restored, or filled from another."""
        if self._newest_span is None:
            return False
        span = Span(self._newest_span.start, self._newest_end(question))
        (((count, _),),) = yield [self.ledger.cut(span, MANY_ROWS)]
        return bool(count >= MANY_ROWS)

    def _begin(self, question: Question, connection: int, now: int) -> Dialogue[Part]:
        end = self._newest_end(question)
        answers = yield [self.ledger.state(self._able), self._cut(end)]
        ((row,), (cut,)) = answers
        state = State(*row)
        span = Span(self._newest_start(cut, question, now), end)
        tail = None if state.largest_id is None else Tail(state.largest_id)
        dialogues: list[Dialogue[Any]] = [
            self._tail_rows(tail, span, now),
            self.ledger.read(span, question),
            self.ledger.read(Span(end, END), question),
        ]
        queries, part, future = yield from together(dialogues)
        self._today = question.today
        self.settled = Settled(question.today, self.ledger.reasons, self.ledger.rankings)
        self.tiling = Tiling(span.start)
        self._newest_span, self._newest = span, part
        self._future = Range.of(end, END, future, question.now.timestamp())
        self._tail = tail
        if tail is not None:
            tail.learn(queries[0])
        if queries[1] is not None:
            self._updates.learn(queries[1], self._updates.begin(now))
        self.rows_read += part.rows + future.rows
        return self._known(state, question, connection)

    def _follow(  # noqa: C901, PLR0912, PLR0915 - one refresh, told in the order in which it happens
        self, question: Question, connection: int, now: int
    ) -> Dialogue[Part]:
        former, tiling = self._newest_span, self.tiling
        assert former is not None and tiling is not None and self._newest is not None and self._future is not None  # noqa: S101, PT018
        end = self._newest_end(question)
        freezes = self._newest.rows > FULL * self.ledger.newest_rows
        first: list[Dialogue[Any]] = [_ask([self.ledger.state(self._able)])]
        first.append(_ask([self._cut(end)]) if freezes else self._read(Span(former.start, end), question))
        first.append(self._tail_sum(Span(former.start, max(end, former.end))))
        first.append(self._updates_since())
        (state_rows, newest, tail_sum, updates) = yield from together(first)
        state = State(*state_rows[0][0])
        start = former.start
        frozen: list[Range] = []
        if freezes:
            start = max(former.start, self._newest_start(newest[0][0], question, now))
        span = Span(start, end)
        second: list[Dialogue[Any]] = [self.ledger.read(span, question) if freezes else _given(newest)]
        second.append(self._tile(former.start, start, question, SMALL_ROWS) if start > former.start else _given([]))
        second.append(self._leaving(Span(former.start, start)))
        moves_end = end > former.end
        second.append(self.ledger.read(Span(end, END), question) if moves_end else _given(None))
        reset = self._is_reset(state, connection)
        if reset and state.largest_id is not None:
            self._tail = Tail(state.largest_id)
        outside = Span(start, max(end, former.end))
        tail_differs = self._tail is not None and (reset or not self._tail.is_as_known(*tail_sum))
        second.append(
            _ask([self.ledger.tail(self._tail.floor, outside)]) if tail_differs and self._tail else _given(None)
        )
        second.append(self._note_updates(updates, now))
        part, frozen, leaving, future, tail_rows, _ = yield from together(second)

        # What is noted here stays noted when the rest of the refresh breaks off: nothing finds these rows again.
        if self._tail is not None:
            tail_instants = []
            self._tail.leave_newest(leaving)
            if tail_rows is not None:
                tail_instants = self._tail.learn(tail_rows[0])
            if not reset:
                self._dirty |= self._starts_of(tail_instants)
            if moves_end:
                self._tail.enter_newest(former.end, end)
        dirty = self._dirty | self._grown_up(question)
        if self._now is not None:  # a clock set back leaves rows of the future in ranges: which ones, time changes
            low, high = sorted((now, int(self._now * 1_000_000)))
            dirty |= {each.start for each in tiling.between(low + 1, high + 1) if low < high}
        dirty |= self._pruned(state)
        # Without ids nothing tells of a row booked for a day to come; while there are few of them they are read again.
        unguarded = self._tail is None and self._future.part.rows <= self.ledger.newest_rows
        if reset or unguarded or self.walk.cycles > self._cycles:
            dirty.add(self._future.start)
        future_dirty = self._future.start in dirty and not moves_end
        dirty -= {self._future.start}
        rereads = self._rereads(dirty)
        read: list[Dialogue[Any]] = [self._tile_again(each, question) for each in rereads]
        if future_dirty:
            read.append(self.ledger.read(Span(self._future.start, END), question))
        again = yield from together(read)
        if future_dirty:
            future = again.pop()

        self._roll(question)
        instant = question.now.timestamp()
        if start > former.start:
            self._put(former.start, start, frozen)
        for each, ranges in zip(rereads, again, strict=True):
            self._put(each.start, each.end, ranges)
        self._drop_before(state)
        dirty -= {each.start for each in rereads}
        self._dirty = {start for start in dirty if (found := tiling.find(start)) is not None and found.start == start}
        self.carried_over = len(self._dirty)
        self._newest_span, self._newest = span, part
        self._cycles = self.walk.cycles
        if future is not None:
            self._future = Range.of(end, END, future, instant)
        if reset:
            self.walk.hurry()
        self.rows_read += part.rows + sum(each.part.rows for ranges in (frozen, *again) for each in ranges)
        return self._known(state, question, connection)

    def _known(self, state: State, question: Question, connection: int) -> Part:
        """Take in the state of the ledger, and return what is known."""
        before = self._state
        instant = question.now.timestamp()
        if self._tail is not None:
            if state.largest_id is None:
                self._tail = None
            else:
                mark = Mark(state.xmax, state.largest_id, instant)
                gave_up = self._tail.advance(mark, None if before is None else before.xmin)
                if gave_up and not self._overlooks:
                    self._overlooks = True
                    log.warning(
                        "a transaction is open for very long; what it books from now on is found by the walk alone",
                        extra={"ledger": self.ledger.name, "rows_since": MAX_KNOWN},
                    )
        elif state.largest_id is not None:
            self._tail = Tail(state.largest_id)
        self._updates.advance(int(instant * 1_000_000))
        self._state, self._connection, self._question = state, connection, question
        self._settled_before = int((question.now - question.grace).timestamp() * 1_000_000)
        return self._whole(question)

    def _whole(self, question: Question) -> Part:
        assert self.settled is not None  # noqa: S101
        assert self._newest is not None  # noqa: S101
        assert self._future is not None  # noqa: S101
        assert self._state is not None  # noqa: S101
        parts = self.parts()
        newest = (part.newest for part in (self._newest, *reversed(parts)) if part.newest is not None)
        rejected = {
            reason: self.settled.rejected[reason] + self._newest.rejected[reason] + self._future.part.rejected[reason]
            for reason in self.ledger.reasons
        }
        rejected["instant"] += self._state.unplaced
        base = Part(
            instant=question.now.timestamp(),
            today=question.today,
            windows=self.windows(question.today),
            rejected=rejected,
            newest=next(newest, None),
        )
        return self.ledger.whole(question, base, self.settled, parts, self._newest)

    # Where the newest range begins and ends

    @property
    def _able(self) -> Abilities:
        assert self.abilities is not None  # noqa: S101
        return self.abilities

    @staticmethod
    def _newest_end(question: Question) -> int:
        """Return the end of the newest range: what is booked for tomorrow is in it, so that midnight finds it read."""
        return (question.today + 2) * MICROSECONDS_A_DAY

    def _cut(self, end: int) -> Query:
        return self.ledger.cut(Span(BEGINNING, end), self.ledger.newest_rows)

    def _newest_start(self, cut: tuple[Any, ...], question: Question, now: int) -> int:
        """Return where the newest range begins: before the newest rows, and some time ago."""
        count, oldest = cut
        if count < self.ledger.newest_rows:
            return BEGINNING
        if self.ledger.split_at_midnight:
            return min(int(oldest), now - NEWEST_SECONDS * 1_000_000)
        return min(midnight(oldest), question.yesterday * MICROSECONDS_A_DAY)

    # What else a refresh asks

    def _read(self, span: Span, question: Question) -> Dialogue[RangePart]:
        return self.ledger.read(span, question)

    def _tail_rows(self, tail: Tail | None, span: Span, now: int) -> Dialogue[tuple[Result, Result | None]]:
        queries = [self.ledger.tail(tail.floor, span)] if tail is not None else []
        if self._able.updates_indexed:
            queries.append(self.ledger.updated(self._updates.begin(now), MAX_UPDATES))
        if not queries:
            return [], None
        answers = yield queries
        updates = answers.pop() if self._able.updates_indexed else None
        return (answers[0] if answers else []), updates

    def _tail_sum(self, outside: Span) -> Dialogue[tuple[Any, ...]]:
        if self._tail is None:
            return (0, 0)
        ((row,),) = yield [self.ledger.tail_sum(self._tail.floor, outside)]
        return row

    def _leaving(self, span: Span) -> Dialogue[Result]:
        """Ask for the ids of rows that the newest range leaves behind."""
        if self._tail is None or span.start >= span.end:
            return []
        (rows,) = yield [self.ledger.ids(self._tail.floor, span)]
        return rows

    def _updates_since(self) -> Dialogue[tuple[Result, tuple[int, int]] | None]:
        """Ask for the rows updated since the last refresh, and for number and sum of those known before."""
        updates = self._updates
        if not self._able.updates_indexed or updates.latest is None or updates.since is None:
            return None
        rows, ((count, updated_sum),) = yield [
            self.ledger.updated(updates.latest, MAX_UPDATES),
            self.ledger.updated_sum(updates.since, updates.latest),
        ]
        return rows, (int(count), int(updated_sum))

    def _note_updates(self, found: tuple[Result, tuple[int, int]] | None, now: int) -> Dialogue[None]:
        """Note which ranges hold rows that were updated: what is known of updates changes in the same step."""
        self._dirty |= self._starts_of((yield from self._all_updates(found, now)))

    def _all_updates(self, found: tuple[Result, tuple[int, int]] | None, now: int) -> Dialogue[list[int]]:
        """Return the instants of rows that were updated; all are asked for where some must have been overlooked."""
        updates = self._updates
        if not self._able.updates_indexed:
            return []
        if found is not None and len(found[0]) < MAX_UPDATES and updates.are_as_known(*found[1], found[0]):
            return updates.add(found[0])
        since = updates.begin(now) if updates.since is None else updates.since
        (rows,) = yield [self.ledger.updated(since, MAX_UPDATES)]
        return updates.learn(rows, since)

    # Which ranges must be read again

    def _starts_of(self, instants: Iterable[int]) -> set[int]:
        """Return the starts of the settled ranges, and of the future one, that hold an instant."""
        assert self.tiling is not None and self._future is not None  # noqa: S101, PT018
        starts = set()
        for instant in instants:
            if instant >= self._future.start:
                starts.add(self._future.start)
            elif (found := self.tiling.find(instant)) is not None:
                starts.add(found.start)
        return starts

    def _grown_up(self, question: Question) -> set[int]:
        """Return the starts of ranges with an outcome that has ceased to be pending."""
        assert self.tiling is not None  # noqa: S101
        settled_before = int((question.now - question.grace).timestamp() * 1_000_000)
        before = self._settled_before
        if before is None or before == settled_before:
            return set()
        low, high = min(before, settled_before), max(before, settled_before)
        turned = self.tiling.between(low, high + 1)
        if settled_before < before:  # the clock was set back a little: what had settled is pending again
            return {each.start for each in turned}
        return {
            each.start
            for each in turned
            if each.part.oldest_pending is not None and each.part.oldest_pending <= settled_before
        }

    def _pruned(self, state: State) -> set[int]:
        """Return the start of the range in which the ledger begins, if it began elsewhere before."""
        if state.oldest is None or self.tiling is None:
            return set()
        found = self.tiling.find(state.oldest)
        return {found.start} if found is not None and found.part.oldest != state.oldest else set()

    def _drop_before(self, state: State) -> None:
        """Empty the ranges that lie before the oldest row."""
        assert self.tiling is not None and self.settled is not None  # noqa: S101, PT018
        oldest = END if state.oldest is None else state.oldest
        emptied = [each for each in self.tiling if each.end <= oldest]
        if len(emptied) > 1 or any(each.part.rows for each in emptied):
            start, end = emptied[0].start, emptied[-1].end
            empty = Range.of(start, end, self._empty(), emptied[0].read)
            self._put(start, end, [empty])

    def _empty(self) -> RangePart:
        return RangePart(0, dict.fromkeys(self.ledger.reasons, 0), None, None, {})

    def _rereads(self, dirty: set[int]) -> list[Range]:
        """Return the ranges to read again now, the newest first, at most so many rows but at least one range."""
        assert self.tiling is not None  # noqa: S101
        found: list[Range] = []
        rows = 0
        for start in sorted(dirty, reverse=True):
            each = self.tiling.find(start)
            if each is None or each.start != start:
                continue
            rows += each.part.rows
            if found and rows > REREAD_ROWS:
                break
            found.append(each)
        return found

    def _is_reset(self, state: State, connection: int) -> bool:
        before = self._state
        if before is None or connection != self._connection or state.identity != before.identity:
            return True
        return (state.largest_id or 0) < (before.largest_id or 0)

    # Ranges

    def _put(self, start: int, end: int, ranges: list[Range]) -> None:
        """Put ranges in the place of those that were, and their parts in the running totals."""
        assert self.tiling is not None and self.settled is not None  # noqa: S101, PT018
        for former in self.tiling.replace(start, end, ranges):
            self.settled.remove(former.full_part())
        for each in ranges:
            self.settled.add(each.full_part())

    def _roll(self, question: Question) -> None:
        """Go over to another day."""
        if self.settled is None or self.tiling is None or question.today == self._today:
            return
        self._today = question.today
        self.settled.roll(question.today)
        for each in self.tiling:
            if each.end <= question.yesterday * MICROSECONDS_A_DAY:
                each.forget_single_tasks()
            if each.end <= (question.today - RECENT_DAYS + 1) * MICROSECONDS_A_DAY:
                each.forget_rankings()

    def _tile_again(self, each: Range, question: Question) -> Dialogue[list[Range]]:
        """Read a range again; one that has outgrown its size becomes several."""
        if each.part.rows and each.end - each.start <= MICROSECONDS_A_DAY:
            part = yield from self.ledger.read(Span(each.start, each.end), question)
            if part.rows <= 2 * self.range_rows():
                return [Range.of(each.start, each.end, part, question.now.timestamp())]
        return (yield from self._tile(each.start, each.end, question, self.range_rows()))

    def _tile(
        self, start: int, end: int, question: Question, size: int, rows: int | None = None
    ) -> Dialogue[list[Range]]:
        """Read the instants from `start` up to `end`, newest first, in ranges of about `size` rows, until so many are read.

        Ranges are returned in order of time; together they begin where reading ended.
        """
        found: list[Range] = []
        read = 0
        instant = question.now.timestamp()
        while end > start and (rows is None or read < rows):
            low = start
            if self.ledger.split_at_midnight and end > BEGINNING + MICROSECONDS_A_DAY:
                low = max(start, midnight(end - 1))
            ((cut,),) = yield [self.ledger.cut(Span(low, end), size)]
            count, oldest = cut
            if not count:
                newest = None
                if low > start:
                    (((newest,),),) = yield [self.ledger.newest(Span(start, low))]
                low = start if newest is None else midnight(newest) + MICROSECONDS_A_DAY
                found.append(Range.of(low, end, self._empty(), instant))
                end = low
                continue
            if count >= size:
                low = max(low, int(oldest))
                if not self.ledger.split_at_midnight:
                    low = max(start, midnight(low))
            part = yield from self.ledger.read(Span(low, end), question)
            found.append(Range.of(low, end, part, instant))
            read += part.rows
            end = low
        return found[::-1]

    # Loading and walking, between refreshes

    def halve_chunk(self) -> None:
        """Load less at once: what was asked for took too long."""
        self.chunk_rows = max(SMALLEST_CHUNK_ROWS, self.chunk_rows // 2)

    def grow_chunk(self) -> None:
        """Load a little more at once, as that took not too long."""
        self.chunk_rows = min(CHUNK_ROWS, self.chunk_rows + SMALLEST_CHUNK_ROWS)

    def load(self, question: Question, rows: int) -> Dialogue[int]:
        """Load about so many more rows of what is not loaded yet, going back in time; return how many were read."""
        tiling = self.tiling
        if tiling is None or self.is_complete or self.settled is None:
            return 0
        end = tiling.start
        small = self.ledger.has_updates and end > self._settling_from(question)
        ranges = yield from self._tile(BEGINNING, end, question, SMALL_ROWS if small else RANGE_ROWS, rows)
        start = ranges[0].start
        if start >= end:
            return 0
        self._put(start, end, ranges)
        read = sum(each.part.rows for each in ranges)
        self.rows_read += read
        return read

    def verify(self) -> Dialogue[int]:
        """Walk on: read some settled ranges again, correct what differs; return how many rows were read.

        They are asked about as of the last refresh: what the clock decided since then is no correction.
        """
        tiling, question = self.tiling, self._question
        if tiling is None or self.settled is None or question is None:
            return 0
        if not len(tiling):
            self.walk.cycles += 1
            return 0
        rows = 0
        self.walk.pay(self.range_rows())
        while (run := self.walk.next_run(tiling, self.range_rows(), self._settling_from(question))) is not None:
            started = perf_counter()
            start, end = run[0].start, run[-1].end
            if len(run) == 1:
                ranges = yield from self._tile_again(run[0], question)
            else:
                ranges = yield from self._tile(start, end, question, self.range_rows())
            same = summary(run, self.ledger.rankings) == summary(ranges, self.ledger.rankings)
            if same:
                tiling.replace(start, end, ranges)
            else:
                self._put(start, end, ranges)
                self.corrections += 1
            rows += sum(each.part.rows for each in ranges)
            self.walk.note(run, ranges, perf_counter() - started, same=same)
        self.rows_read += rows
        return rows

    def _settling_from(self, question: Question) -> int:
        """Return the instant from which on ranges stay small, because their rows are still being updated."""
        lately = SETTLING_SECONDS + (question.grace.total_seconds() if self.ledger.has_updates else 0)
        return int((question.now.timestamp() - lately) * 1_000_000)


def _ask(queries: list[Query]) -> Dialogue[list[Result]]:
    """Ask queries and return their results."""
    if not queries:
        return []
    return (yield queries)


def _given(value: Any) -> Dialogue[Any]:  # noqa: ANN401
    """Ask nothing and return a value."""
    return value
    yield []
