"""Copies of the ledgers' rows in temporary tables of one connection: shards put together, nothing judged."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from tests.oracle.options import Options

COLUMNS = {
    "cost": {
        "created_at": "timestamptz",
        "provider": "text",
        "model": "text",
        "task_id": "text",
        "quest_id": "text",
        "tokens_in": "bigint",
        "tokens_out": "bigint",
        "cost_usd": "numeric",
    },
    "impact": {
        "created_at": "timestamptz",
        "task_id": "text",
        "title": "text",
        "quest_id": "text",
        "layer": "text",
        "total_tokens": "bigint",
        "cost_usd": "numeric",
        "impact_score": "double precision",
    },
    "budget": {
        "quest_id": "text",
        "quest_name": "text",
        "day": "date",
        "allocated_usd": "numeric",
        "spent_usd": "numeric",
    },
}


def connect(dsn: str) -> psycopg.Connection:
    """A connection whose texts mean the same whatever the server's own settings."""
    connection = psycopg.connect(dsn, autocommit=True)
    connection.execute("set timezone to 'UTC'; set datestyle to 'ISO, YMD'; set extra_float_digits to 1")
    return connection


def create(connection: psycopg.Connection) -> None:
    """Create the empty copies: raw_cost, raw_impact and raw_budget."""
    for ledger, columns in COLUMNS.items():
        body = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        connection.execute(f"create temp table raw_{ledger} ({body})")


def refresh(
    connection: psycopg.Connection, ledger: str, shards: Sequence[psycopg.Connection], options: Options
) -> None:
    """Copy a ledger anew from every shard; an empty text and a column the ledger lacks are NULL."""
    selected = ", ".join(
        f"null::{kind}" if (ledger, name) in options.absent else f"nullif({name}, '')" if kind == "text" else name
        for name, kind in COLUMNS[ledger].items()
    )
    connection.execute(f"truncate raw_{ledger}")
    for shard in shards:
        with (
            shard.cursor().copy(f"copy (select {selected} from {options.relations[ledger]}) to stdout") as out,
            connection.cursor().copy(f"copy raw_{ledger} from stdin") as into,
        ):
            for block in out:
                into.write(block)
