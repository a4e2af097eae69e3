"""A ledger in partitions, and one on a server that lacks what PostgreSQL says of itself: the same figures, read as cheaply."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from unittest.mock import patch

import psycopg
import pytest

from exporter.databases.query import Query, Result
from exporter.databases.transaction import Transaction
from exporter.ledgers.ledger import Abilities
from tests.oracle import samples
from tests.support import cockroach, postgres
from tests.support.bookings import RELATIONS, Books
from tests.support.comparison import check, differences, figures
from tests.support.engine import Engine
from tests.support.example_rows import NOON, SOON, ago, charge, history, outcome
from tests.support.sizes import small

MONTHS = ("2026-01", "2026-02", "2026-03", "2026-04")

FILL = """
insert into cost_ledger (created_at, provider, model, task_id, quest_id, tokens_in, tokens_out, cost_usd)
select timestamptz '2026-04-10 12:00Z' - n * interval '45 minutes', (array['codex-mini', 'glm-4.6'])[1 + n %% 2], 'm' || n %% 3,
       'task-' || n / 9, 'quest-' || n %% 5, 1000, 50, 0.01 * (n %% 7)
from generate_series(0, 3000) as n;

insert into impact_ledger (created_at, updated_at, task_id, title, quest_id, layer, total_tokens, cost_usd, impact_score)
select timestamptz '2026-04-10 12:00Z' - n * interval '45 minutes', timestamptz '2026-04-10 12:00Z' - n * interval '45 minutes',
       'task-' || n, 'Task', 'quest-' || n %% 5, 'Forge', 9000, 0.1, case when n %% 4 > 0 then n %% 3 end
from generate_series(0, 2200) as n;

insert into quest_budget_allocations
select 'quest-' || quest, 'Quest ' || quest, date '2026-04-10' - age, 10, 5
from generate_series(0, 4) as quest, generate_series(0, 60) as age;
"""


def partition(books: Books, ledger: str) -> None:
    """Make an empty ledger one in partitions, a month each, keyed and indexed as PostgreSQL lets such relations be."""
    relation = RELATIONS[ledger]
    books.run(f"""
        create sequence {relation}_ids;
        create table parts (like {relation}) partition by range (created_at);
        drop table {relation};
        alter table parts rename to {relation};
        alter table {relation} alter id set default nextval('{relation}_ids'), add primary key (id, created_at);
        create index on {relation} (created_at);
    """)
    if ledger == "impact":
        books.run(f"create index on {relation} (updated_at)")
    for month in MONTHS:
        books.run(f"create table {part(ledger, month)} partition of {relation} {bounds(month)}")


def part(ledger: str, month: str) -> str:
    """The name of a partition."""
    return f"{RELATIONS[ledger]}_{month.replace('-', '_')}"


def bounds(month: str) -> str:
    """The instants that are in a partition."""
    year, number = map(int, month.split("-"))
    return f"for values from ('{month}-01Z') to ('{year + number // 12}-{number % 12 + 1:02}-01Z')"


@pytest.fixture
def books(server: postgres.Server) -> Iterator[Books]:
    """The ledgers of charges and of outcomes in partitions, empty."""
    name = server.create_database()
    with Books(server.dsn(name)) as found:
        partition(found, "cost")
        partition(found, "impact")
        yield found
    server.drop_database(name)


@contextmanager
def overheard() -> Iterator[list[Query]]:
    """Collect every question asked of a database."""
    ask, asked = Transaction._ask, []  # noqa: SLF001

    def overhear(transaction: Transaction, queries: Sequence[Query]) -> list[Result]:
        asked.extend(queries)
        return ask(transaction, queries)

    with patch.object(Transaction, "_ask", overhear):
        yield asked


def partitions_scanned(dsn: str, query: Query) -> Iterator[tuple[str, str]]:
    """Every partition that a query reads, and how: the kind of node in its plan."""
    with psycopg.connect(dsn) as connection:
        ((plan,),) = connection.execute(f"explain (format json) {query.text}".encode(), query.parameters)
    nodes = [plan[0]["Plan"]]
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", ())
        if node.get("Relation Name", "").startswith((RELATIONS["cost"], RELATIONS["impact"])):
            yield node["Relation Name"], node["Node Type"]


# --- partitions ------------------------------------------------------------------------------------------------------


@pytest.mark.both_servers
def test_a_ledger_in_partitions_is_read_by_their_indexes(books: Books) -> None:
    """Whatever is asked of days of a month is asked of its partition alone, by its index; and the figures are right."""
    books.run(FILL)
    books.run("analyze")
    with Engine([books.dsn]) as engine, overheard() as asked:
        check([books.dsn], NOON, engine.refresh(NOON))
        books.book("cost", [charge(SOON, "new"), charge(ago(40), "late")])
        books.book("impact", [outcome(ago(33), "late", 1)])
        check([books.dsn], SOON, engine.caught_up(SOON))
        engine.inner.verify()
    of_ranges = [query for query in asked if "instant < %(end)s" in query.text and "explain" not in query.text]
    of_march = [
        query for query in of_ranges
        if "2026-03-01T00:00:00+00:00" <= str(query.parameters["start"]) < str(query.parameters["end"]) < "2026-04"
    ]  # fmt: skip
    scanned = [dict(partitions_scanned(books.dsn, query)) for query in of_march]
    march = {part("cost", "2026-03"), part("impact", "2026-03")}

    assert march == {partition for each in scanned for partition in each}
    assert not [node for each in scanned for node in each.values() if node == "Seq Scan"]


@pytest.mark.both_servers
def test_partitions_without_an_index_on_the_instant_are_reported(
    books: Books, caplog: pytest.LogCaptureFixture
) -> None:
    """The key of a partition has the instant behind the id: it is an index, but none that leads to a minute."""
    for ledger in ("cost", "impact"):
        books.run(f"drop index {RELATIONS[ledger]}_created_at_idx")
    books.run("""
        insert into cost_ledger (created_at, provider, tokens_in, cost_usd)
        select '2026-04-10Z'::timestamptz - number * interval '1 second', 'codex', 1, 1 from generate_series(1, 25000) as number
    """)
    books.run("analyze")
    with Engine([books.dsn]) as engine:
        engine.refresh(NOON)

    told = [vars(record)["ledger"] for record in caplog.records if record.getMessage().startswith("no index leads to")]
    assert told == ["cost"]


@pytest.mark.both_servers
def test_partitions_come_and_go(books: Books) -> None:
    """Partitions full of history are seen at the refresh after they are attached, and gone after they are detached."""
    books.run(FILL)
    books.run(f"create table {part('cost', '2025-12')} (like {RELATIONS['cost']} including defaults)")
    books.run(f"""
        insert into {part("cost", "2025-12")} (created_at, provider, task_id, quest_id, tokens_in, cost_usd)
        select timestamptz '2025-12-31 12:00Z' - n * interval '1 hour', 'max', 'old-' || n, 'quest-0', 10, 0.07
        from generate_series(0, 300) as n
    """)
    with Engine([books.dsn]) as engine:
        engine.refresh(NOON)
        for place, change in enumerate((
            f"attach partition {part('cost', '2025-12')} {bounds('2025-12')}",
            f"detach partition {part('cost', '2025-12')}",
            f"detach partition {part('cost', '2026-01')}",
        )):  # fmt: skip
            books.run(f"alter table {RELATIONS['cost']} {change}")
            now = SOON + timedelta(seconds=15 * place)
            check([books.dsn], now, engine.caught_up(now))


# --- shards ----------------------------------------------------------------------------------------------------------


def test_a_shard_that_stays_away_takes_the_whole_ledger_with_it(server: postgres.Server) -> None:
    """A sum without one of its parts looks like a good day: what is about today goes at midnight, the rest at `max_age`."""
    names = [server.create_database() for _ in range(2)]
    with small(), ExitStack() as stack:
        shards = [stack.enter_context(Books(server.dsn(name))) for name in names]
        for shard in shards:
            shard.book("cost", history())
        engine = stack.enter_context(Engine([shard.dsn for shard in shards]))
        begin = NOON + timedelta(hours=11, minutes=50)
        engine.refresh(begin)
        shards[1].run("alter table cost_ledger rename to away")
        seen = [
            {dict(labels)["window"] for name, labels in engine.refresh(begin + timedelta(minutes=minutes))
             if name == "ledger_provider_spend_usd"}
            for minutes in (9, 11, 16)
        ]  # fmt: skip
    for name in names:
        server.drop_database(name)

    assert seen == [{"today", "yesterday", "7d", "30d", "all"}, {"7d", "30d", "all"}, set()]


# --- servers that lack functions -------------------------------------------------------------------------------------

OF_POSTGRESQL = ("pg_current_snapshot", "pg_postmaster_start_time", "pg_is_in_recovery", "pg_relation_filenode")


@pytest.fixture
def lacking(server: postgres.Server) -> Iterator[Books]:
    """The ledgers on a server that knows nothing of snapshots and of itself; the engine is small."""
    name = server.create_database()
    with small(), Books(server.dsn(name)) as found:
        for function in OF_POSTGRESQL:
            found.run(f"alter function pg_catalog.{function} rename to without_{function}")
        yield found
    server.drop_database(name)


def late_charge(books: Books, engine: Engine, minutes: int) -> list[str]:
    """Commit a charge of five days ago in a transaction that was open for so long, while others booked; what is wrong then."""
    books.book("cost", [charge(ago(5), "late")], session=1)
    now = NOON
    for number in range(minutes):
        books.book("cost", [charge(now, f"{number} {place}") for place in range(9)])
        now += timedelta(minutes=1)
        engine.refresh(now)
    books.session(1).commit()
    return differences(figures(samples([books.dsn], now)), figures(engine.caught_up(now)))


def test_without_snapshots_a_transaction_may_stay_open_for_ten_minutes(lacking: Books) -> None:
    """Its rows are then seen at the refresh after its commit."""
    lacking.book("cost", history())
    with Engine([lacking.dsn]) as engine:
        check([lacking.dsn], NOON, engine.refresh(NOON))
        assert not engine.reader("cost").abilities.snapshots
        assert not engine.reader("cost").abilities.identity
        assert late_charge(lacking, engine, minutes=10) == []


def test_without_snapshots_what_took_longer_is_found_by_the_walk(lacking: Books) -> None:
    """Later than elsewhere, but never not at all."""
    lacking.book("cost", history())
    with Engine([lacking.dsn]) as engine:
        engine.refresh(NOON)
        assert late_charge(lacking, engine, minutes=20)
        now = NOON + timedelta(minutes=20)
        check([lacking.dsn], now, engine.walked(now))


def test_without_an_identity_a_restored_ledger_is_known_by_its_ids(lacking: Books) -> None:
    """Emptied, refilled with fewer rows: right at once, or after one walk."""
    lacking.book("cost", history())
    lacking.save()
    lacking.book("cost", [charge(ago(day), f"more {day}") for day in range(9)])
    with Engine([lacking.dsn]) as engine:
        engine.refresh(NOON)
        lacking.truncate("cost")
        check([lacking.dsn], NOON, engine.caught_up(NOON))
        lacking.restore()
        check([lacking.dsn], SOON, engine.walked(SOON))


SPREAD_OUT = {
    "Citus": "update pg_extension set extname = 'citus' where extname = 'plpgsql'",
    "YugabyteDB": """
        create schema yb;
        create function yb.version() returns text language sql as
        $$ select 'PostgreSQL 15.12-YB-2025.1.0.0-b0 on x86_64-pc-linux-gnu' $$;
        do $$ begin execute format('alter database %%I set search_path = yb, pg_catalog, public', current_database()); end $$
    """,
}
"""What makes a PostgreSQL look like one whose rows are elsewhere."""


@pytest.mark.parametrize("product", SPREAD_OUT)
def test_a_snapshot_of_one_machine_is_not_trusted_where_rows_are_on_others(
    server: postgres.Server, product: str
) -> None:
    """There the ten minutes hold."""
    name = server.create_database()
    with small(), Books(server.dsn(name)) as books:
        books.book("cost", history())
        books.run(SPREAD_OUT[product])
        with Engine([books.dsn]) as engine:
            check([books.dsn], NOON, engine.refresh(NOON))
            assert not engine.reader("cost").abilities.snapshots
            assert engine.reader("cost").abilities.identity
            assert late_charge(books, engine, minutes=10) == []
    server.drop_database(name)


@pytest.fixture
def cockroachdb(server: postgres.Server) -> Iterator[tuple[Books, str]]:
    """The ledgers on what passes for CockroachDB, and the connection string of its clients; the engine is small."""
    name = server.create_database()
    with small(), Books(server.dsn(name)) as books, cockroach.disguised(server, name) as dsn:
        books.book("cost", history())
        yield books, dsn
    server.drop_database(name)


def test_cockroachdb_is_read_without_its_plans(cockroachdb: tuple[Books, str]) -> None:
    """Indexes are taken to be there: what is new, late or updated is asked for as elsewhere, and the figures are right."""
    books, dsn = cockroachdb
    books.book("impact", [outcome(ago(day), f"task {day}", None) for day in range(40)])
    with Engine([dsn]) as engine:
        check([books.dsn], NOON, engine.refresh(NOON))
        books.book("cost", [charge(SOON, "new"), charge(ago(33), "late")])
        books.run("update impact_ledger set impact_score = 3, updated_at = %s where task_id = 'task 35'", [SOON])
        check([books.dsn], SOON, engine.caught_up(SOON))
        able = engine.reader("impact").abilities

    assert able == Abilities(
        plans=False, identity=False, snapshots=False, ids=True, rows=0, indexed=True, updates_indexed=True
    )


def test_cockroachdb_may_have_a_transaction_open_for_ten_minutes(cockroachdb: tuple[Books, str]) -> None:
    books, dsn = cockroachdb
    with Engine([dsn]) as engine:
        check([books.dsn], NOON, engine.refresh(NOON))
        assert late_charge(books, engine, minutes=10) == []


def test_what_passes_for_cockroachdb_refuses_what_that_refuses(cockroachdb: tuple[Books, str]) -> None:
    """Otherwise the tests above would prove nothing."""
    refused = [
        "explain (format json) select 1",
        "select 1 where exists (select from pg_proc)",
        "select pg_current_snapshot()",
    ]
    for statement in refused:
        with (
            psycopg.connect(cockroachdb[1]) as connection,
            pytest.raises(psycopg.ProgrammingError),
        ):
            connection.execute(statement.encode())
