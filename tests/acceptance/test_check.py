"""`ledger-exporter check` on real servers: what is wrong is found, and what it says to do puts it right."""

from __future__ import annotations

import json
import os
import pty
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from exporter.check import output
from exporter.check.command import examine
from exporter.terminal import StatusLine
from tests.support import cockroach, postgres
from tests.support.commands import run
from tests.support.exporter_process import ROOT, Exporter, eventually
from tests.support.ledgers import LEDGERS, configure, create_ledgers

INDEXES = """
create index on cost_ledger (created_at);
create index on cost_ledger (id);
create index on impact_ledger (created_at);
create index on impact_ledger (id);
create index on impact_ledger (updated_at);
create index on quest_budget_allocations (day);
"""
REPLICATED = {"wal_level": "replica", "max_wal_senders": "4", "synchronous_commit": "on"}
ROLE = "reader"
RELATIONS = {"cost": "cost_ledger", "impact": "impact_ledger", "budget": "quest_budget_allocations"}
YUGABYTEDB = (
    "create schema yb",
    "grant usage on schema yb to public",
    "create function yb.version() returns text language sql as $$ select 'PostgreSQL 15.2-YB-2.25.1.0-b0 on x86_64' $$",
    "do $$ begin execute format('alter database %I set search_path = yb, pg_catalog, public', current_database()); end $$",
)
GRANTS = f"grant select on all tables in schema public to {ROLE}; analyze;"
MANY = """
insert into cost_ledger
select n, now() - n * interval '1 minute', 'codex', 'm', null, 'quest-1', 1, 1, 0.01 from generate_series(1000, 26000) as n;
analyze;
"""
LEDGERS_YAML = "ledgers: {{cost: {cost}, impact: {{source: main}}, budget: {{source: main}}}}\n"


@dataclass
class Installation:
    """A database with the three ledgers, a role that reads them, and a configuration."""

    server: postgres.Server
    database: str
    config: Path

    def dsn(self, role: str = ROLE) -> str:
        return self.server.dsn(self.database).replace("user=postgres", f"user={role}")

    def execute(self, *statements: str) -> None:
        """Run statements as the platform's administrator."""
        with psycopg.connect(self.server.dsn(self.database), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def map_cost(self, mapping: str, role: str = ROLE) -> None:
        """Configure the cost ledger otherwise."""
        sources = f'sources: {{main: {{dsn: "{self.dsn(role)}"}}}}\n'
        self.config.write_text(sources + LEDGERS_YAML.format(cost=mapping))

    def map_columns(self, ledger: str, columns: dict[str, str | None], relation: str = "") -> None:
        """Configure the columns of one ledger otherwise."""
        ledgers: dict[str, Any] = {name: {"source": "main"} for name in RELATIONS}
        ledgers[ledger] |= {"columns": columns, "relation": relation or RELATIONS[ledger]}
        self.config.write_text(yaml.safe_dump({"sources": {"main": {"dsn": self.dsn()}}, "ledgers": ledgers}))

    def check(self, *, strict: bool = False) -> Checked:
        """Check it within this process."""
        report = examine(self.config, deep=True, status=StatusLine())
        code = report.exit_code(strict=strict)
        return Checked(code, json.loads(output.as_json(report, code)))


@dataclass
class Checked:
    """How a check ended, and what it said."""

    code: int
    said: dict[str, Any]

    def findings(self, *severities: str) -> list[dict[str, Any]]:
        """The findings of these severities; of all that are no mere news without any."""
        wanted = severities or ("warning", "error")
        return [one for section in self.said["sections"] for one in section["findings"] if one["severity"] in wanted]

    def missing_indexes(self) -> list[tuple[str, list[str]]]:
        """What to do for each index that is missing, and the statements that do it."""
        found = self.findings("note", "warning", "error")
        return [(one["remedy"], one["statements"]) for one in found if one["message"].startswith("no index leads to")]

    def only(self, key: str, *severities: str) -> dict[str, Any]:
        """The one finding there is, which is about a key."""
        (found,) = self.findings(*severities)
        assert key == found["key"]
        return found


def install(server: postgres.Server, folder: Path) -> Iterator[Installation]:
    name = server.create_database(create_ledgers)
    made = Installation(server, name, folder / "ledger-exporter.yml")
    configure(made.config, made.dsn(), interval="15s")
    role = f"select from pg_roles where rolname = '{ROLE}'"
    made.execute(f"do $$ begin if not exists ({role}) then create role {ROLE} login; end if; end $$")
    made.execute(LEDGERS, INDEXES, GRANTS)
    yield made
    server.drop_database(name)


@pytest.fixture
def installed(server: postgres.Server, tmp_path: Path) -> Iterator[Installation]:
    yield from install(server, tmp_path)


@pytest.mark.both_servers
def test_a_good_installation_has_nothing_to_say(installed: Installation) -> None:
    """On both servers, and for the strict."""
    found = installed.check(strict=True)

    assert found.findings("note", "warning", "error") == []
    assert found.code == 0
    planned = [
        one["message"] for one in found.findings("ok") if "queries are valid here; an index leads to" in one["message"]
    ]
    assert len(planned) == 3


def test_the_command_ends_and_says_as_the_report_does(installed: Installation) -> None:
    installed.execute(f"grant delete on cost_ledger to {ROLE}")
    lax, strict, text = (
        run("check", "--deep", f"--config.file={installed.config}", *options)
        for options in (["--output=json"], ["--output=json", "--strict"], ["--strict"])
    )

    assert [lax.returncode, strict.returncode, text.returncode] == [0, 1, 1]
    assert json.loads(strict.stdout)["warnings"] == 1
    assert "warning  ledgers.cost.relation: the role reader may also write public.cost_ledger (DELETE)" in text.stdout
    assert "REVOKE DELETE ON public.cost_ledger FROM reader;" in text.stdout
    assert lax.stderr == strict.stderr == text.stderr == ""


def test_series_are_estimated_as_they_are_published(installed: Installation) -> None:
    estimate = installed.check().said["estimate"]
    with Exporter(installed.config) as exporter:
        exporter.until_ready()
        published = [name for name, _ in exporter.scrape() if name.startswith("ledger_")]

    assert estimate["complete"]
    assert len(published) == estimate["series"]["total"]
    assert estimate["labels"]["quest"] == {"values": 4, "folded": 0, "limit": 500}
    assert 60 <= estimate["memory_mb"] <= 80


def test_without_deep_nothing_connects(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        config = configure(tmp_path / "c.yml", f"host=127.0.0.1 port={server.getsockname()[1]}")
        ended = run("check", f"--config.file={config}")
        server.settimeout(0)

        assert ended.returncode == 0
        with pytest.raises(BlockingIOError):
            server.accept()


def test_a_mistake_in_the_configuration_is_exit_code_2_with_its_place(installed: Installation) -> None:
    installed.config.write_text(installed.config.read_text().replace("cost: {source: main}", "cost: {source: mian}"))
    found = installed.check()

    assert found.code == 2
    assert "names the source 'mian'" in found.only("ledgers.cost.source")["message"]


def test_a_mistake_in_the_web_configuration_is_exit_code_2_with_its_place(tmp_path: Path) -> None:
    """By option or environment; what `serve` would refuse at its start is told in its words."""
    config, web = configure(tmp_path / "c.yml", "host=127.0.0.1 port=1"), tmp_path / "web.yml"
    web.write_text("http_server_config: {http2: maybe}\n")
    variable = {"LEDGER_EXPORTER_WEB_CONFIG_FILE": str(web)}
    option = run("check", f"--config.file={config}", f"--web.config.file={web}")
    environment = run("check", f"--config.file={config}", environment=variable)
    served = run("serve", f"--config.file={config}", environment=variable)
    web.write_text("http_server_config: {http2: false}\n")
    mended = run("check", f"--config.file={config}", environment=variable)

    assert [option.returncode, environment.returncode, served.returncode, mended.returncode] == [2, 2, 2, 0]
    assert option.stdout == environment.stdout
    said = "error    http_server_config.http2: line 1: "
    (problem,) = [line.partition(said)[2] for line in option.stdout.splitlines() if said in line]
    assert f"{web}:1: http_server_config.http2: {problem}\n" in served.stderr
    assert "  ok       no TLS, no passwords\n" in mended.stdout


class TestIndexes:
    def test_in_a_small_ledger_none_is_needed_yet(self, installed: Installation) -> None:
        installed.execute("drop index cost_ledger_created_at_idx")
        found = installed.check(strict=True)

        assert found.code == 0
        assert "no index leads to created_at" in found.only("ledgers.cost.columns.created_at", "note")["message"]

    @pytest.mark.parametrize("column", ["created_at", "id"])
    def test_a_missing_one_is_told_to_the_letter(self, installed: Installation, column: str) -> None:
        """The statement runs as it stands, and then nothing is missing."""
        installed.execute(MANY, f"drop index cost_ledger_{column}_idx")
        found = installed.check(strict=True)
        missing = found.only(f"ledgers.cost.columns.{column}")

        assert found.code == 1
        assert missing["statements"] == [f"CREATE INDEX CONCURRENTLY ON public.cost_ledger ({column});"]
        installed.execute(*missing["statements"])
        assert installed.check(strict=True).code == 0

    def test_that_of_updates_is_told_too(self, installed: Installation) -> None:
        installed.execute("drop index impact_ledger_updated_at_idx")
        missing = installed.check().only("ledgers.impact.columns.updated_at", "note")

        assert "scores that come later are shown once the ledger is verified" in missing["message"]
        assert missing["statements"] == ["CREATE INDEX CONCURRENTLY ON public.impact_ledger (updated_at);"]

    def test_an_expression_is_indexed_as_it_is_mapped(self, installed: Installation) -> None:
        installed.execute(
            MANY, "alter table cost_ledger alter column created_at type bigint using extract(epoch from created_at)"
        )
        installed.map_cost("{source: main, columns: {created_at: to_timestamp(created_at)}}")
        (statement,) = installed.check().only("ledgers.cost.columns.created_at")["statements"]
        installed.execute(statement)

        assert installed.check(strict=True).findings() == []

    def test_partitions_are_indexed_one_by_one(self, installed: Installation) -> None:
        installed.execute(
            MANY,
            "alter table cost_ledger rename to charges",
            "drop index cost_ledger_created_at_idx",
            "create table cost_ledger (like charges) partition by range (created_at)",
            "create table old partition of cost_ledger for values from (minvalue) to (now() - interval '3 days')",
            "create table new partition of cost_ledger for values from (now() - interval '3 days') to (maxvalue)",
            "insert into cost_ledger select * from charges",
            "create index on cost_ledger (id)",
            GRANTS,
        )
        missing = installed.check().only("ledgers.cost.columns.created_at")

        assert missing["statements"] == [
            "CREATE INDEX CONCURRENTLY ON public.new (created_at);",
            "CREATE INDEX CONCURRENTLY ON public.old (created_at);",
            "CREATE INDEX ON public.cost_ledger (created_at);",
        ]
        installed.execute(*missing["statements"])
        assert installed.check(strict=True).findings() == []

    def test_tables_that_inherit_are_left_to_who_made_them(self, installed: Installation) -> None:
        """An index on the parent would lead to none of their rows."""
        installed.execute("create table old () inherits (cost_ledger)", "drop index cost_ledger_created_at_idx", GRANTS)
        ((remedy, statements),) = [each for each in installed.check().missing_indexes() if "created_at" in each[0]]

        assert "where the rows of cost_ledger are stored" in remedy
        assert statements == []

    def test_a_view_names_what_it_is_made_of(self, installed: Installation) -> None:
        installed.execute(
            MANY,
            "drop index cost_ledger_created_at_idx",
            "create view charges as select * from cost_ledger where quest_id is not null",
            GRANTS,
        )
        installed.map_cost("{source: main, relation: charges}")
        missing = installed.check().only("ledgers.cost.columns.created_at")

        assert "make an index on what created_at is in public.cost_ledger" in missing["remedy"]

    @pytest.mark.both_servers
    @pytest.mark.parametrize(
        ("ledger", "column", "kind", "using"),
        [
            ("cost", "created_at", "timestamp", "{} at time zone 'UTC'"),
            ("cost", "created_at", "date", "({} at time zone 'UTC')::date"),
            ("impact", "updated_at", "timestamp", "{} at time zone 'UTC'"),
            ("budget", "day", "timestamptz", "{}::timestamp at time zone 'UTC'"),
        ],
    )
    def test_where_none_can_be_made_it_is_told_what_to_map(
        self, installed: Installation, ledger: str, column: str, kind: str, using: str
    ) -> None:
        """An index on such a column, if there is one, never serves. Done as told, one is made and does."""
        relation = RELATIONS[ledger]
        installed.execute(f"alter table {relation} alter column {column} type {kind} using {using.format(column)}")
        ((remedy, statements),) = installed.check().missing_indexes()
        assert statements == []
        mapped = yaml.safe_load(remedy[remedy.index(f"{column}: ") :])
        installed.map_columns(ledger, mapped)
        ((_, statements),) = installed.check().missing_indexes()
        installed.execute(*statements)
        done = installed.check(strict=True)

        assert (done.missing_indexes(), done.findings()) == ([], [])

    @pytest.mark.slow
    def test_the_one_that_was_told_serves_refreshes(self, installed: Installation) -> None:
        utc = "created_at at time zone 'UTC'"
        installed.execute(MANY, f"alter table cost_ledger alter column created_at type timestamp using {utc}")
        installed.map_columns("cost", {"created_at": utc})
        ((_, statements),) = installed.check().missing_indexes()
        with psycopg.connect(installed.dsn("postgres"), autocommit=True) as connection:
            connection.execute("drop index cost_ledger_created_at_idx")
            connection.execute(*statements)
            connection.execute("analyze")
            scans = "select idx_scan > 0 from pg_stat_user_indexes where indexrelname = 'cost_ledger_timezone_idx'"
            with Exporter(installed.config):
                eventually(lambda: connection.execute(scans).fetchone() == (True,), "the index is not used")

    @pytest.mark.parametrize(
        ("kind", "using", "mapping"),
        [
            ("text", "created_at::text", "created_at"),
            ("bigint", "extract(epoch from created_at) * 1000", "timestamptz 'epoch' + created_at * interval '1 ms'"),
            ("timestamptz", "created_at", "(select max(o.created_at) from cost_ledger as o where o.id = cost_ledger.id)"),
        ],
    )  # fmt: skip
    def test_where_nothing_is_known_to_help_no_statement_is_told(
        self, installed: Installation, kind: str, using: str, mapping: str
    ) -> None:
        installed.execute(f"alter table cost_ledger alter column created_at type {kind} using {using}")
        installed.map_columns("cost", {"created_at": mapping})
        ((remedy, statements),) = installed.check().missing_indexes()

        assert statements == []
        assert "Map created_at to a column of type timestamptz" in remedy

    def test_what_is_cast_without_a_setting_is_indexed_as_it_is_cast(self, installed: Installation) -> None:
        installed.execute("alter table quest_budget_allocations alter column day type timestamp")
        ((_, statements),) = installed.check().missing_indexes()
        installed.execute(*statements)

        assert installed.check(strict=True).missing_indexes() == []

    @pytest.mark.both_servers
    def test_an_expression_that_makes_several_rows_of_one_needs_none_where_they_are_few(
        self, installed: Installation
    ) -> None:
        """The recipe for budgets per month passes, for the strict too, although its planned rows are many."""
        installed.execute(
            "create table monthly_budgets (quest_id text, quest_name text, month date, budget numeric)",
            "insert into monthly_budgets select 'quest-' || n, 'Quest', '2026-01-01', 31 from generate_series(1, 100) as n",
            GRANTS,
        )
        days = "generate_series(month, month + interval '1 month - 1 day', interval '1 day')"
        installed.map_columns("budget", {"day": days, "allocated_usd": "budget", "spent_usd": None}, "monthly_budgets")
        found = installed.check(strict=True)

        ((remedy, statements),) = found.missing_indexes()
        assert (found.code, statements) == (0, [])
        assert "makes several rows of" in remedy

    def test_where_indexes_are_hashed_an_order_is_asked_for(self, installed: Installation) -> None:
        """A server that passes for YugabyteDB; the statement runs on PostgreSQL as well."""
        installed.execute(MANY, "drop index cost_ledger_created_at_idx", *YUGABYTEDB)
        missing = installed.check().only("ledgers.cost.columns.created_at")

        assert missing["statements"] == ["CREATE INDEX CONCURRENTLY ON public.cost_ledger (created_at DESC);"]
        installed.execute(*missing["statements"])
        assert installed.check(strict=True).missing_indexes() == []


class TestColumns:
    @pytest.mark.parametrize(
        ("mapping", "column", "message"),
        [
            ("{cost_usd: dollars}", "cost_usd", 'column "dollars" does not exist'),
            ("{model: modle}", "model", 'hint: Perhaps you meant to reference the column "cost_ledger.model"'),
            ("{cost_usd: created_at}", "cost_usd", "cannot cast type timestamp with time zone to numeric"),
            ("{tokens_in: sqrt(provider)}", "tokens_in", "function sqrt(text) does not exist"),
        ],
    )
    def test_one_that_cannot_be_read_is_an_error(
        self, installed: Installation, mapping: str, column: str, message: str
    ) -> None:
        installed.map_cost(f"{{source: main, columns: {mapping}}}")
        found = installed.check()

        assert found.code == 2
        assert message in found.only(f"ledgers.cost.columns.{column}")["message"]

    @pytest.mark.parametrize(
        ("mapping", "column", "message"),
        [
            ("{cost_usd: 'round(cost_usd)::int'}", "cost_usd", "whole US dollars"),
            ("{cost_usd: 'cost_usd::float8'}", "cost_usd", "money in binary fractions"),
            ("{tokens_in: 'tokens_in::text'}", "tokens_in", "one row that is none fails every refresh"),
            ("{created_at: 'created_at::date'}", "created_at", "none during the day"),
        ],
    )
    def test_one_of_a_doubtful_type_is_a_warning(
        self, installed: Installation, mapping: str, column: str, message: str
    ) -> None:
        installed.map_cost(f"{{source: main, columns: {mapping}}}")
        found = installed.check()

        assert found.code == 0
        assert message in found.only(f"ledgers.cost.columns.{column}")["message"]

    def test_what_only_rows_can_show_is_shown(self, installed: Installation) -> None:
        """Every query can be planned; reading fails."""
        installed.execute(
            "alter table cost_ledger alter column tokens_in type text",
            "update cost_ledger set tokens_in = 'a few' where id = 7",
        )
        found = installed.check()

        assert found.code == 2
        assert found.findings("error")[0]["key"] == "ledgers.cost"
        assert 'invalid input syntax for type numeric: "a few"' in found.findings("error")[0]["message"]

    def test_rows_that_are_left_out_are_told(self, installed: Installation) -> None:
        installed.execute("update cost_ledger set cost_usd = 'NaN' where id < 4")

        assert "3 for their cost" in installed.check().only("ledgers.cost")["message"]

    def test_rows_ahead_of_now_are_another_time_zone(self, installed: Installation) -> None:
        installed.execute("update cost_ledger set created_at = created_at + interval '13 hours'")

        assert "12.0 hours ahead of now" in installed.check().only("ledgers.cost.columns.created_at")["message"]


class TestRights:
    def test_a_role_that_may_not_read_is_told_what_to_grant(self, installed: Installation) -> None:
        installed.execute(f"revoke select on cost_ledger from {ROLE}")
        refused = installed.check()

        assert refused.code == 2
        installed.execute(*refused.only("ledgers.cost.relation")["statements"])
        assert installed.check(strict=True).code == 0

    def test_a_role_that_may_read_some_columns_needs_those_that_are_mapped(self, installed: Installation) -> None:
        installed.execute(f"revoke select on cost_ledger from {ROLE}", f"grant select (id) on cost_ledger to {ROLE}")
        found = installed.check()

        assert found.code == 2
        assert "ledgers.cost.columns.cost_usd" in {one["key"] for one in found.findings("error")}

    def test_a_role_that_may_write_is_a_warning(self, installed: Installation) -> None:
        installed.execute(f"grant update, delete on cost_ledger to {ROLE}")
        found = installed.check(strict=True)

        assert found.code == 1
        installed.execute(*found.only("ledgers.cost.relation")["statements"])
        assert installed.check(strict=True).code == 0

    def test_a_superuser_is_a_warning(self, installed: Installation) -> None:
        configure(installed.config, installed.dsn("postgres"), interval="15s")

        assert "is a superuser" in installed.check().only("sources.main")["message"]

    def test_row_level_security_is_an_error(self, installed: Installation) -> None:
        """Also below a view that is read with the rights of who asks."""
        installed.execute(
            "create role tenant login",
            "grant select on all tables in schema public to tenant",
            "alter table cost_ledger enable row level security",
            "create policy own on cost_ledger for select using (quest_id = 'quest-1')",
            "create view charges with (security_invoker = true) as select * from cost_ledger",
            "grant select on charges to tenant",
        )
        for relation in ("cost_ledger", "charges"):
            installed.map_cost(f"{{source: main, relation: {relation}}}", "tenant")
            hidden = installed.check().only("ledgers.cost.relation")
            assert "row level security applies to public.cost_ledger" in hidden["message"]
        installed.execute(*hidden["statements"])

        assert installed.check(strict=True).code == 0

    def test_a_relation_that_is_elsewhere_is_found(self, installed: Installation) -> None:
        installed.execute(
            "create schema billing", "alter table cost_ledger set schema billing",
            f"grant usage on schema billing to {ROLE}",
        )  # fmt: skip

        assert installed.check().only("ledgers.cost.relation")["remedy"] == (
            "there is billing.cost_ledger: name it with its schema"
        )

    def test_a_schema_that_is_closed_is_told_apart_from_one_that_is_not_there(self, installed: Installation) -> None:
        installed.execute("create schema billing", "alter table cost_ledger set schema billing")
        installed.map_cost("{source: main, relation: billing.cost_ledger}")

        closed = installed.check().only("ledgers.cost.relation")
        assert closed["remedy"] == "grant it, as the schema's owner"
        installed.execute(*closed["statements"])
        assert installed.check(strict=True).code == 0

    def test_statements_name_a_role_and_a_relation_of_any_name(self, installed: Installation) -> None:
        """Each is run as it stands, until nothing is left to do."""
        role = "Ledger-Exporter"
        installed.execute(
            f'create role "{role}" login',
            'create schema "Usage.Data"',
            'alter table cost_ledger set schema "Usage.Data"',
            'alter table "Usage.Data".cost_ledger rename to "Model Calls"',
            'alter table "Usage.Data"."Model Calls" enable row level security',
            f'grant select on impact_ledger, quest_budget_allocations to "{role}"',
        )
        installed.map_cost('{source: main, relation: \'"Usage.Data"."Model Calls"\'}', role)
        told = []
        for _ in range(4):
            found = installed.check(strict=True)
            told += [one["message"].partition(" ")[0] for one in found.findings()]
            installed.execute(*[statement for one in found.findings() for statement in one["statements"]])
        installed.execute(f'grant update on "Usage.Data"."Model Calls" to "{role}"')
        writes = installed.check().only("ledgers.cost.relation")
        installed.execute(*writes["statements"])

        assert told == ['"Usage.Data"."Model', "the", "row"]
        assert installed.check(strict=True).code == 0

    @pytest.mark.parametrize(
        ("grant", "origin", "count"),
        [
            (["grant update (model) on cost_ledger to {role}"], "(UPDATE)", 1),
            (["grant delete, insert on cost_ledger to public"], "(DELETE, INSERT as everyone may)", 1),
            (
                ["create role {role}_group", "grant all on cost_ledger to {role}_group", "grant {role}_group to {role}"],
                "(DELETE, INSERT, TRUNCATE, UPDATE as a member of {role}_group)",
                3,
            ),
            (
                [
                    "create role {role}_owner", "create role {role}_staff in role {role}_owner",
                    "alter table cost_ledger owner to {role}_owner", "grant {role}_staff to {role}",
                    "grant insert on cost_ledger to {role}", "revoke select on cost_ledger from {role}",
                ],
                "(INSERT; DELETE, INSERT, TRUNCATE, UPDATE as a member of {role}_owner through {role}_staff)",
                4,
            ),
            (["grant pg_write_all_data to {role}"], "(DELETE, INSERT, UPDATE as a member of pg_write_all_data)", 3),
        ],
    )  # fmt: skip
    def test_a_right_is_taken_away_where_it_comes_from(
        self, server: postgres.Server, installed: Installation, grant: list[str], origin: str, count: int
    ) -> None:
        role = f"writer_{server.created}"
        installed.execute(
            f"create role {role} login",
            f"grant select on all tables in schema public to {role}",
            *[statement.format(role=role) for statement in grant],
        )
        installed.map_cost("{source: main}", role)
        writes = next(one for one in installed.check().findings() if one["key"] == "ledgers.cost.relation")
        installed.execute(*writes["statements"])

        assert f"may also write public.cost_ledger {origin.format(role=role)}: " in writes["message"]
        assert len(writes["statements"]) == count
        assert installed.check(strict=True).findings() == []

    def test_the_owner_of_a_relation_is_told_to_let_another_read(self, installed: Installation) -> None:
        """Taken from its owner, a right would be missed by the platform."""
        installed.execute(f"alter table cost_ledger owner to {ROLE}")
        writes = installed.check().only("ledgers.cost.relation")

        assert "as its owner" in writes["message"]
        assert "docs/role.sql" in writes["remedy"]
        assert writes["statements"] == []

    def test_what_an_expression_reads_elsewhere_is_not_granted_on_the_ledger(self, installed: Installation) -> None:
        installed.execute("create table rates (usd numeric)")
        installed.map_cost("{source: main, columns: {cost_usd: cost_usd * (select usd from rates)}}")
        refused = installed.check().only("ledgers.cost.columns.cost_usd")

        assert "permission denied for table rates" in refused["message"]
        assert refused["statements"] == []


class TestServers:
    def test_one_that_does_not_answer_is_exit_code_2(self, tmp_path: Path) -> None:
        with closing(socket.create_server(("127.0.0.1", 0))) as server:
            port = server.getsockname()[1]
        config = configure(tmp_path / "c.yml", f"host=127.0.0.1 port={port} user=u password=s3cret dbname=d")
        config.chmod(0o600)
        ended = run("check", "--deep", f"--config.file={config}")

        assert ended.returncode == 2
        assert "error    sources.main: source main: " in ended.stdout
        assert f"Source main, u@127.0.0.1:{port}/d" in ended.stdout
        assert "s3cret" not in ended.stdout + ended.stderr

    def test_a_clock_that_is_off_is_a_warning(self, installed: Installation) -> None:
        report = examine(installed.config, deep=True, status=StatusLine(), now=lambda: time.time() - 90)
        messages = [one.message for section in report.sections for one in section.findings if one.severity == "warning"]

        assert any("its clock is 90.0 s ahead of ours" in message for message in messages)

    @pytest.mark.slow
    def test_a_replica_must_follow(self, server: postgres.Server, tmp_path: Path) -> None:
        """One that keeps up is as good as its primary; one that is cut off looks alive and stands still.

        It is late once its newest transaction is older than a refresh interval: one that replays an archive never receives.
        """
        with ExitStack() as servers:
            primary = postgres.start(server.programs, REPLICATED)
            servers.callback(primary.stop)
            for made in install(primary, tmp_path):
                replica = postgres.replicate(primary, REPLICATED)
                servers.callback(replica.stop)
                replicated = made.dsn().replace(str(primary.directory), str(replica.directory))
                configure(made.config, replicated, interval="15s")
                following = made.check(strict=True)
                made.execute("update cost_ledger set model = 'm' where id = 1")
                cut_off(replica)
                configure(made.config, replicated, interval="10m")
                fresh = made.check(strict=True)
                configure(made.config, replicated, interval="1s")
                eventually(
                    lambda made=made: made.check(strict=True).code == 1, "nobody notices that the replica is cut off"
                )
                left_behind = made.check(strict=True)

        assert (following.code, fresh.code) == (0, 0)
        assert "the replica keeps up with its primary" in [one["message"] for one in following.findings("ok")]
        assert "receives nothing from its primary" in left_behind.only("sources.main")["message"]

    def test_of_cockroachdb_plans_and_types_are_not_judged(self, installed: Installation) -> None:
        """Everything else is; and what is published from it is what its ledgers say."""
        with cockroach.disguised(installed.server, installed.database) as dsn:
            configure(installed.config, dsn.replace("user=postgres", f"user={ROLE}"), interval="15s")
            found = installed.check(strict=True)
            reconciled = run("reconcile", f"--config.file={installed.config}")

        assert (found.code, found.findings()) == (0, [])
        assert [one["message"].partition(":")[0] for one in found.findings("note")] == [
            f"whether an index leads to {columns} is not judged"
            for columns in ("created_at, id", "created_at, id, updated_at", "day")
        ]
        said = [one["message"] for one in found.findings("ok")]
        assert "CockroachDB CCL v23.2.3, as role reader" in said
        assert "9 columns are there, and can be cast; their types this server does not tell" in said
        assert sum(line.endswith("queries are valid here") for line in said) == 3  # one for each ledger
        assert (reconciled.returncode, reconciled.stderr) == (0, "")
        assert reconciled.stdout.endswith("figures compared, no difference.\n")


def cut_off(replica: postgres.Server) -> None:
    """Let a replica follow no more, once it has replayed something."""
    with psycopg.connect(replica.dsn(), autocommit=True) as connection:
        replayed = "select pg_last_xact_replay_timestamp() is not null"
        eventually(lambda: connection.execute(replayed).fetchone() == (True,), "the replica replays nothing")
        connection.execute("alter system set primary_conninfo = ''")
        connection.execute("select pg_reload_conf()")
        following = "select count(*) from pg_stat_wal_receiver"
        eventually(lambda: connection.execute(following).fetchone() == (0,), "the replica still follows")


class TestTerminal:
    def test_it_is_coloured_at_a_terminal_alone(self, installed: Installation) -> None:
        assert "\033[" not in run("check", f"--config.file={installed.config}").stdout
        assert "\033[32mok" in at_terminal("check", f"--config.file={installed.config}")
        assert "\033[" not in at_terminal("check", f"--config.file={installed.config}", NO_COLOR="1")

    def test_help_teaches(self) -> None:
        text = run("check", "--help").stdout

        assert "ledger-exporter check --deep --strict --output=json" in text
        assert "Exit codes" in text


def at_terminal(*arguments: str, **environment: str) -> str:
    """What the command says to a terminal."""
    ours, theirs = pty.openpty()
    clean = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {"TERM": "xterm"}
    process = subprocess.Popen(
        [sys.executable, "-m", "exporter", *arguments], cwd=ROOT, stdout=theirs, stderr=theirs, stdin=subprocess.DEVNULL,
        env=clean | environment,
    )  # fmt: skip
    os.close(theirs)
    said = b""
    with closing(os.fdopen(ours, "rb", 0)) as terminal:
        try:
            while part := terminal.read(4096):
                said += part
        except OSError:  # how a terminal ends
            pass
    process.wait()
    return said.decode()
