"""What is told of the past is what a running exporter published: step by step, beside the real one, on the same rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import psycopg
import pytest

from exporter import config_file
from exporter.app import open_sources
from exporter.backfill import past as telling
from exporter.backfill.past import Past
from exporter.backfill.period import Steps
from exporter.databases.postgresql import Source
from exporter.views.metric import Family
from tests.oracle import Key, Options, key
from tests.support.product import Product, configuration
from tests.support.sizes import sizes

BEGIN = datetime(2026, 4, 10, 20, tzinfo=UTC)
STEP = timedelta(hours=2)
COUNT = 24
"""From 20:00 over two midnights, with outcomes that settle in between."""

KNOWN = {"cost": "known_cost", "impact": "known_impact", "budget": "known_budget"}
SCRAPED = {"cost": "cost_ledger", "impact": "impact_ledger", "budget": "quest_budget_allocations"}
INSTANTS = {"cost": "created_at", "impact": "created_at", "budget": "day at time zone 'UTC'"}

QUESTS = ("q-1", "q-2", "q-3", "q-4", "q-5", "other", "", None)
MODELS = ('gpt "mini"\n', "claude-3", "m2", "glm-4", "", None)
PROVIDERS = ("bedrock/claude-3", "MiniMax-M2", "max", "codex-mini", "GLM", "acme", "", None)
LAYERS = ("Agora", "Exchange", "Forge", "Atlas", "", None)
DOLLARS = ("0.42", "1.000000000000000000000000001", "12.5", "-0.3", "0", "NaN", None)
SCORES = (0.0, 0.25, 0.5, 1.75, 9.0, -1.0, float("nan"), None, None, None)

FEW = {"quests": 3, "models": 2, "provider_limit": 2, "layers": 2, "combinations": 4}
"""Limits so small that most of what is booked is beyond them."""


def fill(dsn: str, seed: int) -> None:
    """Book 45 days, most of it in the days that are told, with all that real ledgers have."""
    rng = Random(seed)  # noqa: S311 - a ledger, not a secret
    end = BEGIN + COUNT * STEP

    def moment() -> datetime:
        recent = rng.random() < 0.6
        back = (end - BEGIN + timedelta(hours=6)) if recent else timedelta(days=45)
        at = end - back * rng.random()
        return at.replace(minute=0, second=0, microsecond=0) if rng.random() < 0.1 else at

    with psycopg.connect(dsn, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "insert into known_cost values (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    number, moment(), rng.choice(PROVIDERS), rng.choice(MODELS),
                    rng.choice([f"t-{rng.randrange(60)}", "", None]), rng.choice(QUESTS),
                    rng.choice([rng.randrange(5000), None]), rng.choice([rng.randrange(500), None]), rng.choice(DOLLARS),
                )
                for number in range(700)
            ],
        )  # fmt: skip
        cursor.executemany(
            "insert into known_impact values (%s, %s, null, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    number, moment(), f"t-{rng.randrange(60)}", "A title", rng.choice(QUESTS), rng.choice(LAYERS),
                    rng.choice([rng.randrange(3000), None]), rng.choice(DOLLARS), rng.choice(SCORES),
                )
                for number in range(300)
            ],
        )  # fmt: skip
        cursor.executemany(
            "insert into known_budget values (%s, %s, %s, %s, %s)",
            [
                (
                    rng.choice(QUESTS), rng.choice(["Folding", "Folding 2", "unknown", "", None]),
                    (end - timedelta(days=age)).date(), rng.choice([Decimal(rng.randrange(400)) / 4, Decimal("NaN"), None]),
                    rng.choice([Decimal(rng.randrange(300)) / 4, None]),
                )
                for age in range(45) for _ in range(rng.randrange(4))
            ],
        )  # fmt: skip


@pytest.fixture
def dsn(database: str) -> str:
    """A database with what is known in the end, and ledgers that are still empty."""
    with psycopg.connect(database, autocommit=True) as connection:
        for ledger, relation in SCRAPED.items():
            connection.execute(f"create table {KNOWN[ledger]} as table {relation}")
    return database


def book_up_to(connection: psycopg.Connection[Any], at: datetime, before: datetime | None) -> None:
    """Let the scraped ledgers catch up with the clock."""
    for ledger, relation in SCRAPED.items():
        after = "true" if before is None else f"{INSTANTS[ledger]} > %(before)s"
        connection.execute(
            f"insert into {relation} select * from {KNOWN[ledger]} where {INSTANTS[ledger]} <= %(at)s and {after}",
            {"at": at, "before": before},
        )


def instants(count: int = COUNT) -> list[datetime]:
    return [BEGIN + number * STEP for number in range(count)]


def scraped(dsn: str, options: Options) -> list[dict[Key, float]]:
    """What a running exporter publishes of what is told of the past, hour by hour."""
    told = {metric.name for metric in telling.METRICS}
    found, before = [], None
    with psycopg.connect(dsn, autocommit=True) as connection, Product([dsn], options) as product:
        connection.execute("set timezone to 'UTC'")
        for at in instants():
            book_up_to(connection, at, before)
            before = at
            found.append({sample: value for sample, value in product.refresh(at).items() if sample[0] in told})
    return found


Tell = Callable[..., Past]


@pytest.fixture
def tell() -> Iterator[Tell]:
    """The past as the ledgers of some databases know it in the end."""
    opened: list[Source] = []

    def past(options: Options, *shards: str) -> Past:
        config = config_file.parse(configuration(shards, replace(options, relations=KNOWN)))
        sources = open_sources(config, {})
        opened.extend(sources.values())
        steps = Steps(int(BEGIN.timestamp()), int(STEP.total_seconds()), COUNT)
        return Past(config, sources, steps)

    yield past
    for source in opened:
        source.close()


def samples(families: list[Family]) -> dict[Key, float]:
    """The samples of a step."""
    return {
        key(family.name, dict(zip(family.labels, values, strict=True))): value
        for family in families
        for values, value in family.samples.items()
    }


def differences(expected: dict[Key, float], found: dict[Key, float]) -> list[str]:
    return [
        f"{name} {sorted(labels)}: scraped {expected.get((name, labels))}, told {found.get((name, labels))}"
        for name, labels in sorted(expected.keys() | found.keys(), key=str)
        if expected.get((name, labels)) != found.get((name, labels))
    ]


OPTIONS = {
    "as usual": Options(),
    "beyond its limits": Options(**FEW),
    "with columns that are missing": Options(
        grace=timedelta(hours=5),
        absent=frozenset({("cost", "task_id"), ("cost", "tokens_out"), ("impact", "layer"), ("budget", "spent_usd")}),
    ),
}


def at_the_end(past: Past) -> dict[Key, float]:
    """The samples at the last step."""
    for number in range(COUNT - 1):
        past.step(number)
    return samples(past.step(COUNT - 1))


@pytest.mark.parametrize(
    ("seed", "options"),
    [pytest.param(seed, each, marks=[pytest.mark.slow] if seed else []) for seed, each in enumerate(OPTIONS.values())],
    ids=OPTIONS,
)
def test_every_step_tells_what_was_scraped(dsn: str, tell: Tell, seed: int, options: Options) -> None:
    """Every sample of every metric told, at every step of three days, the counters and what is folded included."""
    with sizes(history_chunk_rows=60):
        fill(dsn, seed)
        expected, past = scraped(dsn, options), tell(options, dsn)

        for number, at in enumerate(instants()):
            assert differences(expected[number], samples(past.step(number))) == [], at


def test_what_is_gone_on_with_tells_the_same(dsn: str, tell: Tell) -> None:
    """Steps that are only gone through leave the same ledgers, labels and counters."""
    fill(dsn, 7)
    past = tell(Options(**FEW), dsn)

    for number in range(COUNT - 1):
        past.skip(number)

    assert differences(at_the_end(tell(Options(**FEW), dsn)), samples(past.step(COUNT - 1))) == []


@pytest.mark.slow
def test_more_rows_of_one_instant_than_are_read_at_once_are_read(dsn: str, tell: Tell) -> None:
    """A day's allocations, and charges of a whole hour."""
    fill(dsn, 5)
    expected = at_the_end(tell(Options(), dsn))
    with sizes(history_chunk_rows=2):
        assert differences(expected, at_the_end(tell(Options(), dsn))) == []


def test_shards_add_up(dsn: str, tell: Tell, shard: str) -> None:
    """Ledgers over two databases are told as if they were in one."""
    fill(dsn, 11)
    expected = at_the_end(tell(Options(), dsn))
    with psycopg.connect(dsn, autocommit=True) as here, psycopg.connect(shard, autocommit=True) as there:
        here.execute("set datestyle to iso")
        for ledger, relation in KNOWN.items():
            there.execute(f"create table {relation} as table {SCRAPED[ledger]}")
            moved = here.execute(f"delete from {relation} where md5({relation}::text) < '8' returning *").fetchall()
            marks = ", ".join(["%s"] * len(moved[0]))
            there.cursor().executemany(f"insert into {relation} values ({marks})", moved)

    assert differences(expected, at_the_end(tell(Options(), dsn, shard))) == []
