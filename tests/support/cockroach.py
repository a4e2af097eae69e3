"""A PostgreSQL that passes for CockroachDB, which cannot be had for tests: it says that it is one, and lacks what that lacks.

What it lacks is known from CockroachDB's documentation and its parser. Functions are renamed, types are told of values alone,
and a proxy spoils what its grammar does not know on the way to the server, so that it is refused for real.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from tests.support import postgres
from tests.support.proxy import Proxy

LACKING = (
    "pg_current_snapshot", "pg_postmaster_start_time", "pg_relation_filenode", "pg_partition_tree", "parse_ident",
)  # fmt: skip
SPOILT = {b"(format json)": b"(format_json)", b"select from": b"select frem"}
"""What the grammar does not know, and what becomes of it."""
VERSION = "CockroachDB CCL v23.2.3 (x86_64-pc-linux-gnu, built 2024/04/04 17:55:31, go1.21.7 X:nocoverageredesign)"
DISGUISE = f"""
{"".join(f"alter function pg_catalog.{name} rename to without_{name};" for name in (*LACKING, "pg_typeof"))}
create schema crdb;
grant usage on schema crdb to public;
create function crdb.version() returns text language sql as $$ select '{VERSION}' $$;
create function crdb.pg_typeof(anyelement) returns text language sql as
    $$ select case when $1 is null then 'unknown' else without_pg_typeof($1)::text end $$;
do $$ begin execute format('alter database %I set search_path = crdb, pg_catalog, public', current_database()); end $$;
"""


@contextmanager
def disguised(server: postgres.Server, database: str) -> Iterator[str]:
    """Disguise a database for those who connect from now on; give the connection string of a client of CockroachDB."""
    with psycopg.connect(server.dsn(database), autocommit=True) as connection:
        connection.execute(DISGUISE.encode())
    with Proxy(server.directory, SPOILT) as proxy:
        yield f"host=127.0.0.1 port={proxy.port} user=postgres dbname={database}"
