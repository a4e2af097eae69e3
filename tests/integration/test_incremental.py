"""Whatever happens to the ledgers, the incremental refresh says what a whole reading would: at once, or after one walk."""

from __future__ import annotations

import random
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from psycopg import sql

from exporter import config_file
from exporter.publishing.snapshot import Reload
from exporter.sums import WINDOWS
from tests.oracle import Key, Options, samples
from tests.support import postgres
from tests.support.bookings import RELATIONS, VIEWS, Books, Kind, write
from tests.support.comparison import check, differences, figures, value
from tests.support.engine import Engine, broken_off, corrections
from tests.support.example_rows import NOON, SOON, ago, charge, history, outcome
from tests.support.product import configuration
from tests.support.sizes import SMALL, sizes, small

EXPORTER = "ledger-exporter/%"


# --- any history -----------------------------------------------------------------------------------------------------

MINUTE, HOUR, DAY = 60, 3600, 86_400
AGES = [0, 1, 30, 59, 61, 300, HOUR, 5 * HOUR, 12 * HOUR, 13 * HOUR, 23 * HOUR, DAY - 1, DAY, DAY + 1]
AGES += [days * DAY for days in (1, 2, 2, 5, 6, 7, 8, 28, 29, 30, 31, 40, 400)]
AGES += [-1, -30, -HOUR, -12 * HOUR, -DAY, -2 * DAY, -40 * DAY]
FAR = ["infinity", "-infinity", "0044-03-15 12:00:00+00 BC", "0001-01-01 00:00:00+00", "294276-12-31 23:59:59+00"]

ages = st.one_of(
    st.sampled_from(AGES),
    st.sampled_from(AGES),
    st.integers(0, 600),
    st.integers(0, 40 * DAY),
    st.sampled_from(FAR),
)
tasks = st.sampled_from(["t1", "t2", "t3", "t4", "t5", "t 3", "t\n3", None])
quests = st.sampled_from(["q1", "q2", "q3", None])
tokens = st.sampled_from([0, 999, 1001, 5000, 5000, 7000])
dollars = st.sampled_from(["0", "1", "2.5", "0.3", "-1", "NaN", "10"])
scores = st.sampled_from([None, None, 0.0, 0.3, 0.5, 0.8, 1.0, float("nan")])
ledgers = st.sampled_from(["cost", "cost", "impact"])
places = st.integers(0, 60)
sessions = st.integers(0, 2)
few = st.integers(1, 7)
LOOK_BACK = SMALL.look_back_min_seconds - 1


class History(RuleBasedStateMachine):
    """Books and an exporter. `exact` tells whether what was promised for the next refresh covers all that happened."""

    server: postgres.Server

    def __init__(self) -> None:
        super().__init__()
        self.now = NOON
        self.serial = 0
        self.exact = True
        self.unsafe: set[int] = set()
        self.counters: dict[Key, float] = {}
        self.saved = False
        self.uncommitted: dict[int, list[tuple[str, object]]] = {}

    @initialize(
        kind=st.sampled_from(["tables", "tables", "text ids", "views"]),
        cache=st.sampled_from([1, 1, 50]),
        updates=st.sampled_from([1000, 1000, 5]),
        data=st.data(),
    )
    def begin(self, kind: Kind, cache: int, updates: int, data: st.DataObject) -> None:
        """Fill some ledgers, and load them."""
        self.kind: Kind = kind
        more = {} if kind == "tables" else {"look_back_rows": 1000}  # as many as are booked in the look-back
        self.sizes = small(max_updates=updates, **more)
        self.sizes.__enter__()
        self.updates = updates
        self.cache = cache
        self.name, self.other = self.server.create_database(), self.server.create_database()
        self.dsn = self.server.dsn(self.name)
        self.books = Books(self.dsn, cache=cache, kind=kind)
        for ledger in ("cost", "impact"):
            for _ in range(data.draw(st.integers(0, 6))):
                self.books.book(ledger, [self._row(data, ledger) for _ in range(data.draw(few))])
        self.options = Options(relations=VIEWS) if kind == "views" else Options()
        self.engine = Engine([self.dsn], self.options)
        self.refresh()

    def teardown(self) -> None:
        """Come to rest: after a full walk all is right."""
        if not hasattr(self, "engine"):
            return
        try:
            if sys.exc_info()[0] is None:
                self.walk()
        finally:
            self.engine.__exit__(None, None, None)
            self.books.close()
            self.sizes.__exit__(None, None, None)
            for name in (self.name, self.other):
                self.server.drop_database(name)

    # What is booked

    def _usd(self, base: str) -> Decimal:
        self.serial += 1
        return Decimal(base) + Decimal(self.serial).scaleb(-9)  # no two alike, so that no ranking is left to chance

    def _at(self, age: int | str) -> object:
        return age if isinstance(age, str) else self.now - timedelta(seconds=age)

    def _row(self, data: st.DataObject, ledger: str) -> tuple[object, ...]:
        draw = data.draw
        at, usd = self._at(draw(ages)), self._usd(draw(dollars))
        if ledger == "cost":
            provider = draw(st.sampled_from(["max", "codex-mini", "glm", None]))
            model = draw(st.sampled_from(["m1", "m2", None]))
            return (at, provider, model, draw(tasks), draw(quests), draw(tokens), 10, usd)
        task, quest = draw(tasks) or "t9", draw(quests)
        layer = draw(st.sampled_from(["Agora", "Forge"]))
        return (at, self.now, task, "A title", quest, layer, draw(tokens), usd, draw(scores))

    def _book(self, ledger: str, rows: list[tuple[object, ...]], session: int | None) -> None:
        self.books.book(ledger, rows, session)
        booked = [(ledger, row[0]) for row in rows]
        if session is None:
            self._is_now_inexact(if_=not self._are_promised(booked))
        else:
            self.uncommitted.setdefault(session, []).extend(booked)

    def _are_promised(self, booked: list[tuple[str, object]]) -> bool:
        """Tell whether the next refresh sees rows: without ordered ids, those of the look-back, of now and of tomorrow."""
        return self.kind == "tables" or all(self._is_within_look_back(ledger, at) for ledger, at in booked)

    def _is_within_look_back(self, ledger: str, at: object) -> bool:
        loaded = self.engine.reader(ledger).loaded
        if loaded is None or at in ("infinity", "-infinity"):
            return True
        oldest = loaded.question.now - timedelta(seconds=LOOK_BACK)
        return isinstance(at, datetime) and oldest <= at < self.now + timedelta(1)

    def _is_now_inexact(self, *, if_: bool = True) -> None:
        self.exact = self.exact and not if_

    def _is_reset(self) -> None:
        self.exact = False
        self.unsafe = set(self.books.open_sessions())

    @rule(data=st.data(), ledger=ledgers)
    def book(self, data: st.DataObject, ledger: str) -> None:
        """Rows of any date are booked."""
        self._book(ledger, [self._row(data, ledger) for _ in range(data.draw(few))], None)
        self._is_now_inexact(if_=self.cache > 1)

    @rule(first=ages, step=st.sampled_from([0, 1, 60, 7 * HOUR]), count=st.integers(10, 40))
    def book_a_burst(self, first: int | str, step: int, count: int) -> None:
        """Very many charges come at once, late ones too."""
        base = self._at(first)
        instants = [base - timedelta(seconds=step * n) if isinstance(base, datetime) else base for n in range(count)]
        rows = [(at, "glm", "m1", f"t{n % 7}", "q1", 10, 10, self._usd("1")) for n, at in enumerate(instants)]
        self._book("cost", rows, None)
        self._is_now_inexact(if_=self.cache > 1)

    @rule(ledger=ledgers, places=st.lists(places, min_size=1, max_size=10))
    def touch(self, ledger: str, places: list[int]) -> None:
        """A column that no figure knows is updated, in some rows."""
        self.serial += 1
        for place in places:
            self.books.change(ledger, place, note=f"seen {self.serial}")

    @rule(data=st.data(), ledger=ledgers, session=sessions)
    def book_openly(self, data: st.DataObject, ledger: str, session: int) -> None:
        """Rows are booked in a transaction that stays open."""
        self._book(ledger, [self._row(data, ledger) for _ in range(data.draw(few))], session)
        self._is_now_inexact(if_=self.cache > 1)

    @rule(session=sessions)
    def commit(self, session: int) -> None:
        """A transaction ends."""
        self.books.session(session).commit()
        self._is_now_inexact(if_=session in self.unsafe or not self._are_promised(self.uncommitted.pop(session, [])))
        self.unsafe.discard(session)

    @rule(session=sessions)
    def roll_back(self, session: int) -> None:
        """A transaction ends, and was for nothing."""
        self.books.session(session).rollback()
        self.uncommitted.pop(session, None)
        self.unsafe.discard(session)

    @rule(place=places, score=scores, lasted=st.sampled_from([0, 0, 1, 60, 1800]))
    def score(self, place: int, score: float | None, lasted: int) -> None:
        """An outcome is scored late, in a transaction that lasted some time."""
        self.serial += 1
        updated = self.now - timedelta(seconds=lasted, microseconds=-self.serial)
        self.books.change("impact", place, impact_score=score, updated_at=updated)
        self._is_now_inexact(if_=self.updates < 1000)

    @rule(data=st.data(), ledger=ledgers, place=places)
    def edit(self, data: st.DataObject, ledger: str, place: int) -> None:
        """A row is corrected; nothing tells when."""
        values = {"cost_usd": self._usd(data.draw(dollars)), "quest_id": data.draw(quests)}
        self.books.change(ledger, place, **values)
        self.exact = False

    @rule(ledger=ledgers, place=places, age=ages)
    def move(self, ledger: str, place: int, age: int | str) -> None:
        """A row is booked for another instant."""
        self.books.change(ledger, place, created_at=self._at(age))
        self.exact = False

    @rule(ledger=ledgers, place=places)
    def delete(self, ledger: str, place: int) -> None:
        """A row is deleted."""
        largest = self._largest(ledger)
        self.books.delete(ledger, place)
        self.exact = False
        if self._largest(ledger) != largest:
            self._is_reset()

    @rule(ledger=ledgers, days=st.sampled_from([1, 2, 7, 30, 31]))
    def prune(self, ledger: str, days: int) -> None:
        """History is pruned."""
        largest = self._largest(ledger)
        self.books.prune(ledger, self.now - timedelta(days))
        if self._largest(ledger) != largest:
            self._is_reset()

    def _largest(self, ledger: str) -> int | None:
        ((largest,),) = self.books.run(f"select max(id) from {RELATIONS[ledger]}")
        found: int | None = largest
        return found

    @rule(data=st.data(), quest=st.sampled_from(["q1", "q2", "q4"]), ahead=st.sampled_from([-1, 0, 0, 1]))
    def allocate(self, data: st.DataObject, quest: str, ahead: int) -> None:
        """A quest gets a budget, about today."""
        self._allocate(data, quest, ahead)

    def _allocate(self, data: st.DataObject, quest: str, ahead: int) -> None:
        name = data.draw(st.sampled_from(["Alpha", "Beta", None]))
        day = (self.now + timedelta(ahead)).date()
        self.books.book("budget", [(quest, name, day, self._usd("10"), self._usd("1"))])

    @rule(data=st.data(), quest=st.sampled_from(["q1", "q2"]), ago=st.sampled_from([2, 3, 8, 31, 400, -3]))
    def allocate_late(self, data: st.DataObject, quest: str, ago: int) -> None:
        """A quest gets a budget for another day."""
        self._allocate(data, quest, -ago)
        self.exact = False

    @rule(place=places, usd=st.sampled_from(["3", "NaN", None]))
    def reallocate(self, place: int, usd: str | None) -> None:
        """A budget is changed, or withdrawn."""
        if usd is None:
            self.books.delete("budget", place)
        else:
            self.books.change("budget", place, allocated_usd=self._usd(usd))
        self.exact = False

    @precondition(lambda self: not self.books.open_sessions())
    @rule(ledger=st.sampled_from(["cost", "impact", "budget"]))
    def truncate(self, ledger: str) -> None:
        """A ledger is emptied, and its ids begin anew."""
        self.books.truncate(ledger)
        self._is_reset()

    @precondition(lambda self: not self.books.open_sessions())
    @rule()
    def save(self) -> None:
        """A backup is made."""
        self.books.save()
        self.saved = True

    @precondition(lambda self: self.saved and not self.books.open_sessions())
    @rule()
    def restore(self) -> None:
        """A backup is restored."""
        self.books.restore()
        self._is_reset()

    # What happens to the server

    @rule()
    def reconnect(self) -> None:
        """The exporter is disconnected."""
        self.books.disconnect(EXPORTER)
        self._is_reset()

    @rule(data=st.data())
    def swap(self, data: st.DataObject) -> None:
        """Another server answers, with other content, or that of before."""
        self.books.close()
        self.unsafe = set()
        with psycopg.connect(self.server.dsn(), autocommit=True) as connection:
            for old, new in ((self.name, "aside"), (self.other, self.name), ("aside", self.other)):
                connection.execute(
                    "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = %s", [old]
                )
                connection.execute(
                    sql.SQL("alter database {} rename to {}").format(sql.Identifier(old), sql.Identifier(new))
                )
        self.books = Books(self.dsn, cache=self.cache, kind=self.kind)
        self.saved = False
        self.uncommitted = {}
        for ledger in ("cost", "impact"):
            self.books.book(ledger, [self._row(data, ledger) for _ in range(data.draw(few))])
        self._is_reset()

    # Time

    @rule(seconds=st.sampled_from([15, 15, 61, 600, HOUR, 4 * HOUR, 12 * HOUR, DAY, 2 * DAY, 31 * DAY]))
    def wait(self, seconds: int) -> None:
        """Time passes."""
        self.now += timedelta(seconds=seconds)

    @rule(seconds=st.sampled_from([1, 30, 600, 3 * HOUR]))
    def set_clock_back(self, seconds: int) -> None:
        """The clock is set back, within the day."""
        if (self.now - timedelta(seconds=seconds)).date() == self.now.date():
            self.now -= timedelta(seconds=seconds)

    @rule(seconds=st.sampled_from([13 * HOUR, DAY, 2 * DAY]))
    def set_clock_back_a_day(self, seconds: int) -> None:
        """The clock is set back, across midnight."""
        self.now -= timedelta(seconds=seconds)
        self._is_reset()

    # What the exporter does

    @rule()
    def refresh(self) -> None:
        """A refresh: counters never fall; what was promised is there."""
        published = self.engine.caught_up(self.now)
        self._check_counters(published)
        self.engine.check_tiling()
        if self.exact:
            check([self.dsn], self.now, published, self.options)

    @rule()
    def walk_a_little(self) -> None:
        """A refresh, and what follows it."""
        self.refresh()
        self.engine.inner.verify()
        self.engine.check_tiling()

    @rule(at=st.integers(0, 8), times=st.sampled_from([1, 2, 100]))
    def break_off(self, at: int, times: int) -> None:
        """A refresh breaks off midway: at worst nothing is new."""
        with broken_off(at, times):
            self._check_counters(self.engine.refresh(self.now))
        self.engine.check_tiling()

    @rule(at=st.integers(0, 4))
    def break_off_the_walk(self, at: int) -> None:
        """The walk breaks off midway."""
        self.refresh()
        with broken_off(at):
            self.engine.inner.verify()
        self.engine.check_tiling()

    @rule()
    def walk(self) -> None:
        """A quiet time, in which all is verified: everything is right."""
        published = self.engine.walked(self.now)
        self._check_counters(published)
        check([self.dsn], self.now, published, self.options)
        self.engine.check_tiling()
        self.engine.check_parts(self.now)
        self.exact = self.cache == 1

    def _check_counters(self, published: dict[Key, float]) -> None:
        counters = {sample: value for sample, value in published.items() if sample[0].endswith("_total")}
        fallen = {sample for sample, value in self.counters.items() if counters.get(sample, value) < value}
        assert not fallen
        self.counters |= counters


steps = settings(
    stateful_step_count=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    deadline=None,
)


def test_any_history(server: postgres.Server) -> None:
    """Bookings, bursts, edits, moves, open transactions, restores, swapped servers, clocks set back; with and without ids."""

    class Machine(History):
        pass

    Machine.server = server
    run_state_machine_as_test(Machine, settings=steps)


# --- named cases -----------------------------------------------------------------------------------------------------


@pytest.mark.both_servers
def test_a_row_of_any_date_is_seen_at_the_next_refresh(books: Books) -> None:
    """Booked for now, for long ago, for before all that was, for tomorrow: it is there."""
    books.book("cost", history())
    with Engine([books.dsn]) as engine:
        now = NOON
        check([books.dsn], now, engine.refresh(now))
        for age in (0, 3, 19, 400, -1, -2, -50):
            books.book("cost", [charge(ago(age), f"late {age}")])
            now += timedelta(seconds=15)
            check([books.dsn], now, engine.caught_up(now))
        engine.check_tiling()
        engine.check_parts(now)


@pytest.mark.parametrize("rows", [1, 40])
def test_a_transaction_may_stay_open_for_as_long_as_it_likes(books: Books, rows: int) -> None:
    """Thousands of ids and a day later its rows are seen at the refresh after its commit."""
    books.book("cost", history())
    with Engine([books.dsn]) as engine:
        engine.refresh(NOON)
        books.book("cost", [charge(ago(number % 15), f"open {number}") for number in range(rows)], session=1)
        now = NOON
        for number in range(30):
            books.book("cost", [charge(now, f"later {number} {place}") for place in range(9)])
            now += timedelta(hours=1)
            engine.refresh(now)
        books.session(1).commit()
        check([books.dsn], now, engine.caught_up(now))


@pytest.mark.slow
@pytest.mark.parametrize("cache", [1, 50])
def test_twelve_writers_lose_nothing(server: postgres.Server, cache: int) -> None:
    """Rows commit after newer ids are visible, all the time, on all days: after the last refresh each was counted."""
    name = server.create_database()
    ids = {"overlap_ids": 20 if cache == 1 else 12 * cache * 4, "mark_seconds": 3}
    stop = threading.Event()
    booked = [0] * 12

    def book(writer: int) -> None:
        chance = random.Random(writer)  # noqa: S311
        with psycopg.connect(server.dsn(name)) as connection:
            while not stop.is_set():
                for _ in range(chance.randint(1, 4)):
                    at = datetime.now(UTC) - timedelta(days=chance.choice([0, 0, 0, 1, 3, 9, 20]))
                    write(connection, "cost", [charge(at, f"{writer} {booked[writer]}")])
                    booked[writer] += 1
                    time.sleep(chance.choice([0, 0, 0.003, 0.2]))
                connection.commit()

    with (
        small(newest_rows=50, reread_rows=2000, **ids),
        Books(server.dsn(name), cache=cache) as books,
        Engine([books.dsn]) as engine,
        ThreadPoolExecutor(12) as writers,
    ):
        books.book("cost", [charge(datetime.now(UTC) - timedelta(days=day), f"{day}") for day in range(25)])
        engine.refresh(datetime.now(UTC))
        booking = [writers.submit(book, writer) for writer in range(12)]
        until = time.monotonic() + 5
        try:
            while time.monotonic() < until or sum(booked) < 100:
                engine.refresh(datetime.now(UTC))
        finally:
            stop.set()  # the writers are waited for, whatever happens
        for one in booking:
            one.result()
        last = datetime.now(UTC)
        published = engine.caught_up(last) if cache == 1 else engine.walked(last)
        assert value(published, "ledger_charged_tasks", window="all") == sum(booked) + 25
        check([books.dsn], last, published)
    server.drop_database(name)


def test_a_late_score_is_seen_at_the_next_refresh(books: Books) -> None:
    """Wherever its outcome lies, and also when the transaction began before another that was seen."""
    books.book("impact", [outcome(ago(day), f"t{day}", None) for day in range(40, -1, -1)])
    with Engine([books.dsn]) as engine:
        now = NOON
        engine.refresh(now)
        for number, (place, lasted) in enumerate([(0, 0), (20, 0), (21, 1800), (38, 10), (5, 0), (20, 1)]):
            now += timedelta(seconds=15)
            books.change("impact", place, impact_score=0.9 - number / 10, updated_at=now - timedelta(seconds=lasted))
            check([books.dsn], now, engine.caught_up(now))
        assert corrections(engine) == 0


@pytest.mark.both_servers
def test_late_scores_are_seen_without_ids(server: postgres.Server) -> None:
    """What was updated is found by when, if rows have no number."""
    name = server.create_database()
    with small(), Books(server.dsn(name)) as books:
        books.run("alter table impact_ledger drop column id; alter table impact_ledger add column id uuid")
        books.book("impact", [outcome(ago(day), f"t{day}", None) for day in range(40, -1, -1)])
        with Engine([books.dsn]) as engine:
            now = NOON
            engine.refresh(now)
            for place in (0, 20, 21):
                now += timedelta(seconds=15)
                for each in (place, place + 7):  # in one transaction: updated at the same instant
                    books.run(
                        "update impact_ledger set impact_score = 1, updated_at = %s where task_id = %s",
                        [now, f"t{each}"],
                    )
                check([books.dsn], now, engine.caught_up(now))
    server.drop_database(name)


def test_an_outcome_grows_old_without_anybody_touching_it(books: Books) -> None:
    """Pending becomes unscored 24 hours after, to the microsecond, and again when the clock is set back."""
    books.book("impact", [outcome(ago(hours=hours), f"t{hours}", None) for hours in range(30, -1, -1)])
    moment = timedelta(microseconds=1)
    with Engine([books.dsn]) as engine:
        for now in (NOON, NOON + timedelta(hours=1) - moment, NOON + timedelta(hours=1), NOON + timedelta(hours=9)):
            check([books.dsn], now, engine.caught_up(now))
        for now in (NOON + timedelta(hours=2), NOON + timedelta(hours=1) - moment):
            check([books.dsn], now, engine.caught_up(now))


def test_a_task_whose_last_charge_is_deleted_is_counted_no_more(books: Books) -> None:
    """In the newest range at the next refresh, in an older one after a walk; one charged elsewhere too still counts."""
    books.book("cost", [*history(), charge(ago(15), "twice"), charge(ago(3), "twice"), charge(ago(), "new")])
    with Engine([books.dsn]) as engine:
        published = engine.refresh(NOON)
        assert value(published, "ledger_charged_tasks", window="30d") == 122
        books.run("delete from cost_ledger where task_id in ('new', 't12-3')")
        books.run("delete from cost_ledger where task_id = 'twice' and created_at < %s", [ago(10)])
        assert value(engine.refresh(SOON), "ledger_charged_tasks", window="today") == 6
        published = engine.walked(SOON)
        assert value(published, "ledger_charged_tasks", window="30d") == 120
        assert corrections(engine) > 0
        check([books.dsn], SOON, published)
        books.run("delete from cost_ledger where task_id = 'twice'")
        assert value(engine.walked(SOON), "ledger_charged_tasks", window="30d") == 119


def test_the_best_of_several_rows_of_a_task_is_ranked(server: postgres.Server) -> None:
    """When the best row goes, the task's next best takes its place; when all go, the next task does."""
    name = server.create_database()
    few = Options(best_tasks=2, worst_tasks=2)
    with small(), Books(server.dsn(name)) as books, Engine([books.dsn], few) as engine:
        rows = [outcome(ago(day), f"t{day % 4}", 1 - day / 30, usd=f"{day + 1}") for day in range(24)]
        rows += [
            outcome(ago(day, hours=1), f"w{day % 4}", 0.1, tokens=9000 - day, usd=f"{day + 1}") for day in range(24)
        ]
        books.book("impact", rows[::-1])
        engine.refresh(NOON)
        for task in ("t0", "w0", "t1", "w1", "t0"):
            books.run(
                "delete from impact_ledger where id = ("
                "select id from impact_ledger where task_id = %s order by created_at desc limit 1)",
                [task],
            )
            published = engine.walked(SOON)
            assert differences(figures(samples([books.dsn], SOON, few)), figures(published)) == []
    server.drop_database(name)


def test_days_and_months_pass(books: Books) -> None:
    """Every figure is right at the first refresh of a day, and after weeks without one."""
    books.book("cost", history())
    books.book("impact", [outcome(ago(day), f"t{day}", 0.7 if day % 2 else None) for day in range(35, -3, -1)])
    books.book("budget", [("q1", "Alpha", ago(day).date(), 10, 1) for day in range(35, -3, -1)])
    midnight = NOON + timedelta(hours=12)
    with Engine([books.dsn]) as engine:
        engine.refresh(NOON)
        for now in (
            midnight - timedelta(seconds=1),
            midnight,
            *(midnight + timedelta(day) for day in (1, 2, 9, 21, 61)),
        ):
            check([books.dsn], now, engine.caught_up(now))
            engine.check_tiling()
        engine.walked(now)
        assert corrections(engine) == 0


@pytest.mark.parametrize("back", [timedelta(seconds=5), timedelta(hours=3), timedelta(hours=13), timedelta(3)])
def test_a_clock_is_set_back(books: Books, back: timedelta) -> None:
    """What is after now is not the newest row, what was yesterday is today: right at once."""
    books.book("cost", history())
    books.book("impact", [outcome(ago(hours=hours), f"t{hours}", None) for hours in range(50, -1, -1)])
    with Engine([books.dsn]) as engine:
        engine.refresh(NOON)
        for now in (NOON - back, NOON - back / 2, NOON, NOON + timedelta(1), NOON + timedelta(1) - back):
            check([books.dsn], now, engine.caught_up(now))
        engine.check_tiling()


@pytest.mark.both_servers
def test_history_is_pruned(books: Books) -> None:
    """Days that are gone are gone at the next refresh, within a range and across many, and when nothing is left."""
    books.book("cost", history(40))
    books.book("impact", [outcome(ago(day), f"t{day}", 0.7) for day in range(40, -1, -1)])
    with Engine([books.dsn]) as engine:
        engine.refresh(NOON)
        now = NOON
        for before in (ago(35, minutes=10), ago(10), ago(2, minutes=20), ago(hours=1)):
            for ledger in ("cost", "impact"):
                books.prune(ledger, before)
            now += timedelta(seconds=15)
            check([books.dsn], now, engine.caught_up(now))
        assert corrections(engine) == 0
        for ledger in ("cost", "impact"):
            books.prune(ledger, NOON + timedelta(9))
        check([books.dsn], now, engine.caught_up(now))


def test_a_row_moves_to_another_day(books: Books) -> None:
    """It is on one day, once, after a walk."""
    books.book("cost", history())
    with Engine([books.dsn]) as engine:
        engine.refresh(NOON)
        for place, age in ((3, 2), (60, 18), (50, 0), (119, 12), (118, -1)):
            books.change("cost", place, created_at=ago(age, seconds=5))
            check([books.dsn], SOON, engine.walked(SOON))
        assert corrections(engine) > 0


def test_a_ledger_is_truncated_and_restored(books: Books) -> None:
    """Emptied: right at once. Filled otherwise, or as it once was: right after one fast walk."""
    books.book("cost", history())
    books.save()
    with Engine([books.dsn]) as engine:
        engine.refresh(NOON)
        books.truncate("cost")
        check([books.dsn], SOON, engine.caught_up(SOON))
        books.book("cost", [charge(ago(day), f"new {day}") for day in range(15)])
        check([books.dsn], SOON, engine.walked(SOON))
        books.book("cost", history(30))
        engine.refresh(SOON)
        books.restore()
        check([books.dsn], SOON, engine.walked(SOON))


def test_another_server_answers(server: postgres.Server, books: Books) -> None:
    """A failover to a server with other content: right after one fast walk, without a restart."""
    name = server.create_database()
    books.book("cost", history())
    with Books(server.dsn(name)) as others, Engine([books.dsn]) as engine:
        others.book("cost", [charge(ago(day, minutes=day), f"other {day}", "7") for day in range(30, -1, -1)])
        before = engine.refresh(NOON)
        source = engine.sources["shard0"]
        source.close()
        source._session._parameters["dbname"] = name  # noqa: SLF001
        assert value(engine.refresh(SOON), "ledger_up", ledger="cost") == 1
        published = engine.walked(SOON)
        check([others.dsn], SOON, published)
        spent = [{k: v for k, v in each.items() if k[0] == "ledger_spend_usd_total"} for each in (before, published)]
        assert all(spent[1][sample] >= spend for sample, spend in spent[0].items())
    server.drop_database(name)


@pytest.mark.parametrize("at", range(10))
@pytest.mark.parametrize("times", [1, 1000])
def test_a_refresh_that_breaks_off_loses_nothing(books: Books, at: int, times: int) -> None:
    """Whichever question fails: the next refresh sees what this one was to see."""
    books.book("cost", history())
    books.book("impact", [outcome(ago(day), f"t{day}", None) for day in range(40, -1, -1)])
    with Engine([books.dsn]) as engine:
        engine.refresh(NOON)
        books.book("cost", [charge(ago(day), f"late {day}") for day in (0, 0, 0, 0, 0, 0, 4, 11, -1, -3)])
        books.change("impact", 7, impact_score=0.9, updated_at=SOON)
        with broken_off(at, times):
            engine.refresh(SOON)
        check([books.dsn], SOON, engine.caught_up(SOON))


def test_a_flood_of_new_rows_is_loaded_in_pieces(books: Books) -> None:
    """Where the newest rows are too many to be read at once, the others are read piece by piece."""
    books.book("cost", history(5))
    with Engine([books.dsn]) as engine:
        engine.refresh(NOON)
        books.book("cost", [charge(ago(minutes=place), f"flood {place}") for place in range(200)])
        published = engine.caught_up(SOON)
        assert value(published, "ledger_charged_tasks", window="all") == 230
        check([books.dsn], SOON, published)
        loaded = engine.reader("cost").loaded
        assert loaded is not None
        assert max(each.sums.rows for each in loaded.settled) < 50
        check([books.dsn], SOON, engine.caught_up(SOON))


def test_what_a_refresh_reads_is_bounded(books: Books) -> None:
    """The newest rows, one dirty range or so many rows of them; a walk, its rows."""
    books.book("cost", history(60, 12))
    with Engine([books.dsn]) as engine:
        engine.refresh(NOON)
        newest = 4 + 2 * 4
        assert engine.rows_of_a_refresh(SOON)["cost"] <= newest
        books.book("cost", [charge(ago(day), f"late {day}") for day in range(2, 50)])
        reread = 6 + 2 * 8
        for _ in range(48):
            assert engine.rows_of_a_refresh(SOON)["cost"] <= newest + reread
        check([books.dsn], SOON, engine.caught_up(SOON))
        read = engine.reader("cost").rows_read
        for _ in range(50):
            engine.inner.verify()
        assert engine.reader("cost").rows_read - read <= 50 * 12 + 2 * 8


@pytest.mark.both_servers
def test_instants_before_our_era_have_ranges_too(books: Books) -> None:
    """A typing error in a date must not hide a row."""
    years = [
        "4714-12-01 BC",
        "0044-03-15 12:00:00+00 BC",
        "0001-12-31 23:59:59.999999+00 BC",
        "0001-01-01",
        "1969-12-31",
    ]
    rows = [(at, "codex", "m1", f"t{place}", "q1", 1, 1, Decimal(1)) for place, at in enumerate(years)]
    books.book("cost", [*rows, *history(5)])
    with Engine([books.dsn]) as engine:
        check([books.dsn], NOON, engine.refresh(NOON))
        books.book("cost", rows)
        check([books.dsn], SOON, engine.caught_up(SOON))
        engine.check_parts(SOON)


def test_a_large_range_is_walked_over(books: Books) -> None:
    """Rows of one instant cannot be told apart: the walk saves up for them, and goes on."""
    books.book("cost", [charge(ago(9), f"many {number}") for number in range(100)])
    books.book("cost", history(5))
    with Engine([books.dsn]) as engine:
        engine.refresh(NOON)
        books.run("update cost_ledger set cost_usd = 3 where task_id in ('many 50', 't4-1')")
        check([books.dsn], SOON, engine.walked(SOON))


# --- ledgers that lack something, and several sources ----------------------------------------------------------------


def test_a_ledger_without_ids_is_known_by_time_and_walk(books: Books) -> None:
    """The newest rows at once, older ones after a walk."""
    books.run("alter table cost_ledger drop column id; alter table cost_ledger add column id text")
    books.book("cost", history())
    with Engine([books.dsn]) as engine:
        check([books.dsn], NOON, engine.refresh(NOON))
        books.book("cost", [charge(SOON, "new")])
        check([books.dsn], SOON, engine.refresh(SOON))
        books.book("cost", [charge(ago(9), "late")])
        check([books.dsn], SOON, engine.walked(SOON))


def test_a_budget_for_a_day_to_come_is_looked_at_again_at_once(books: Books) -> None:
    """Budgets have no ids to find it by; one without an amount counts as rejected though its day is far."""
    books.book("budget", [("q1", "Alpha", ago(0).date(), 10, 1)])
    with Engine([books.dsn]) as engine:
        check([books.dsn], NOON, engine.refresh(NOON))
        books.book("budget", [("q1", "Alpha", date(9999, 12, 31), None, 1)])
        check([books.dsn], SOON, engine.refresh(SOON))


@pytest.mark.both_servers
def test_a_ledger_without_an_index_is_read_whole(books: Books) -> None:
    """A large one: ranges would cost a reading of all of it each."""
    books.run("drop index cost_ledger_created_at")
    books.book("cost", history())
    books.run("analyze cost_ledger")
    with small(unindexed_rows=100), Engine([books.dsn]) as engine:
        published = engine.refresh(NOON)
        check([books.dsn], NOON, published)
        assert engine.reader("cost").loaded is None
        assert value(published, "ledger_first_load_progress_ratio", ledger="cost") == 1
        books.book("cost", [charge(ago(9), "late")])
        check([books.dsn], SOON, engine.refresh(SOON))


def test_one_of_several_sources_is_down(server: postgres.Server, books: Books) -> None:
    """What it said last stays in the sum, the others go on; back again, all is right at once, late rows after a walk."""
    name = server.create_database()
    books.book("cost", history())
    with Books(server.dsn(name)) as others, Engine([books.dsn, others.dsn]) as engine:
        dsns = [books.dsn, others.dsn]
        others.book("cost", [charge(ago(day), f"other {day}", "7", "glm") for day in range(30, -1, -1)])
        check(dsns, NOON, engine.refresh(NOON))
        others.run("alter table cost_ledger rename to away")
        books.book("cost", [charge(SOON, "new")])
        published = engine.refresh(SOON)
        assert value(published, "ledger_charged_tasks", window="all") == 120 + 31 + 1
        assert value(published, "ledger_source_up", ledger="cost", source="shard1") == 0
        assert value(published, "ledger_source_up", ledger="cost", source="shard0") == 1
        others.run("alter table away rename to cost_ledger")
        others.book("cost", [charge(SOON, "other new"), charge(ago(7), "other late")])
        check(dsns, SOON, engine.walked(SOON))
    server.drop_database(name)


def test_new_provider_patterns_take_over_when_all_is_read_under_them(books: Books) -> None:
    """Until then the old families stay; no figure is made of both."""
    books.book("cost", history())
    with Engine([books.dsn]) as engine, sizes(first_load_seconds=0):
        engine.refresh(NOON)
        changed = config_file.parse(configuration([books.dsn], Options(providers=(("codex", "Codices"),))))
        later = engine.inner.reloaded(changed, engine.sources, Reload())
        seen = []
        for _ in range(200):
            spend = later.run(SOON).snapshot.cost
            assert spend is not None
            seen.append(
                {str(provider): sums[-1].charges for (provider,), sums in spend.spend.by("provider").sums.items()}
            )
            if not later.is_loading and len(seen) > 3:
                break
            later.load(SOON, 0.0001, stop_early=False)
        assert seen[0] == {"Codex": 120}
        assert seen[-1] == {"Codices": 120}
        assert all(each in ({"Codex": 120}, {"Codices": 120}) for each in seen)


# --- the first load --------------------------------------------------------------------------------------------------


def test_a_first_load_publishes_windows_as_they_are_complete(books: Books) -> None:
    """Today at once, then further back; what is published is right, and progress only rises. A restart begins anew."""
    books.book("cost", history(45, 9))
    with sizes(first_load_seconds=0):
        for stops_after in (3, 500):
            with Engine([books.dsn]) as engine:
                windows, progress = [], []
                expected = samples([books.dsn], NOON)
                for _ in range(stops_after):
                    snapshot = engine.inner.run(NOON).snapshot
                    engine.check_tiling()
                    health = snapshot.health["cost"]
                    progress.append(health.progress or 0)
                    figures_ = snapshot.cost
                    windows.append(figures_.windows if figures_ else ())
                    for window in windows[-1]:
                        spent = expected["ledger_charged_tasks", frozenset({("window", window)})]
                        assert figures_ is not None
                        assert figures_.all_tasks[WINDOWS.index(window)] == spent, window
                    if not engine.inner.is_loading:
                        break
                    engine.inner.load(NOON, 0.0001, stop_early=False)
                assert progress == sorted(progress)
                assert [len(each) for each in windows] == sorted(len(each) for each in windows)
        assert {len(each) for each in windows} >= {1, 5}
        assert progress[0] < 0.5
        assert progress[-1] == 1
