"""What can be configured, and what each value may be."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import ValidationError

from exporter.config import (
    BudgetLedger,
    CostLedger,
    Limits,
    ProviderPattern,
    RefreshConfig,
    SourceConfig,
    WasteConfig,
    parse_duration,
)


class TestDurations:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("15s", timedelta(seconds=15)),
            ("500ms", timedelta(milliseconds=500)),
            ("1h30m", timedelta(hours=1, minutes=30)),
            ("1.5h", timedelta(minutes=90)),
            ("366d", timedelta(days=366)),
            (" 10m ", timedelta(minutes=10)),
        ],
    )
    def test_durations_are_written_as_in_prometheus(self, text: str, expected: timedelta) -> None:
        assert parse_duration(text) == expected

    @pytest.mark.parametrize("text", ["", "15", "s", "15 s", "-1s", "1x", "1s!", "1h 30m", None, True])
    def test_anything_else_is_refused_with_an_example(self, text: object) -> None:
        with pytest.raises(ValueError, match="such as 15s"):
            parse_duration(text)

    @pytest.mark.parametrize("text", ["0s", "0ms", "367d", "9999999999999999999999d"])
    def test_nothing_and_longer_than_a_year_are_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match="at most 366d"):
            parse_duration(text)


class TestSources:
    @pytest.mark.parametrize(
        "dsn",
        [
            "postgresql://me@localhost:5432/platform",
            "postgres://me@a,b/platform?target_session_attrs=read-write",
            "host=/var/run/postgresql dbname=platform",
            r"host=h password='it\'s' dbname = d",
        ],
    )
    def test_a_connection_string_is_a_url_or_key_value_pairs(self, dsn: str) -> None:
        secret = SourceConfig(dsn=dsn).conninfo({})  # type: ignore[arg-type]

        assert secret.get_secret_value() == dsn

    @pytest.mark.parametrize("dsn", ["", "localhost", "mysql://h/d", "host", "host='open"])
    def test_anything_else_is_no_connection_string(self, dsn: str) -> None:
        with pytest.raises(ValidationError, match="libpq connection string"):
            SourceConfig(dsn=dsn)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("dsn", "instead"),
        [
            ("postgresql://me:pa@w0rd@db/platform", "an @ .* %40"),
            ("postgresql://me:pa#ss@w0rd@db/platform", "an @ .* %40"),
            ("postgresql://me:pa/w0rd@db/platform", "a / .* %2F"),
            ("postgresql://me:pa?w0rd@db/platform", "a [?] .* %3F"),
            ("postgresql://db?password=pa@w0rd", "a [?] .* %3F"),
        ],
    )
    def test_what_libpq_would_take_for_a_host_is_refused_and_not_repeated(self, dsn: str, instead: str) -> None:
        """It reads a URL up to the first @ or slash: the rest of the password would be in its messages."""
        with pytest.raises(ValidationError, match=instead) as refused:
            SourceConfig(dsn=dsn)  # type: ignore[arg-type]
        assert "w0rd" not in refused.value.errors()[0]["msg"]

    @pytest.mark.parametrize(
        "dsn",
        ["postgresql://me:pa#ss@db/platform", "postgresql:///db?host=/run&user=me@there", "postgresql://[::1]:5432/d"],
    )
    def test_what_libpq_reads_rightly_is_taken(self, dsn: str) -> None:
        assert SourceConfig(dsn=dsn).conninfo({}).get_secret_value() == dsn  # type: ignore[arg-type]

    def test_a_connection_string_may_come_from_the_environment(self) -> None:
        assert SourceConfig(dsn_env="DSN").conninfo({"DSN": "host=h"}).get_secret_value() == "host=h"

    def test_a_connection_string_may_come_from_a_file(self, tmp_path: Path) -> None:
        """As Docker and Kubernetes mount secrets; an editor's last newline is not part of it."""
        secret = tmp_path / "dsn"
        secret.write_text("host=h\n")

        assert SourceConfig(dsn_file=secret).conninfo({}).get_secret_value() == "host=h"

    def test_a_password_may_come_from_the_environment(self) -> None:
        password = SourceConfig(dsn="host=h", password_env="PW").password({"PW": "s3cret"})  # type: ignore[arg-type]  # noqa: S106

        assert password is not None
        assert password.get_secret_value() == "s3cret"

    def test_a_password_may_come_from_a_file_with_its_spaces(self, tmp_path: Path) -> None:
        secret = tmp_path / "password"
        secret.write_text(" s3cret \r\n")
        password = SourceConfig(dsn="host=h", password_file=secret).password({})  # type: ignore[arg-type]

        assert password is not None
        assert password.get_secret_value() == " s3cret "

    def test_a_source_needs_no_password(self) -> None:
        assert SourceConfig(dsn="host=h").password({}) is None  # type: ignore[arg-type]

    def test_a_variable_that_is_not_set_is_named(self) -> None:
        with pytest.raises(ValueError, match="environment variable DSN, which is not set"):
            SourceConfig(dsn_env="DSN").conninfo({})

    def test_what_may_be_a_password_in_the_place_of_a_name_is_not_repeated(self) -> None:
        with pytest.raises(ValueError, match="password_env names an environment variable that is not set"):
            SourceConfig(dsn="host=h", password_env="hunter2").password({})  # type: ignore[arg-type]  # noqa: S106
        with pytest.raises(ValueError, match="password_file cannot be read: No such file"):
            SourceConfig(dsn="host=h", password_file=Path("hunter2")).password({})  # type: ignore[arg-type]

    def test_a_file_that_cannot_be_read_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=rf"password_file {tmp_path}/absent cannot be read: No such file"):
            SourceConfig(dsn="host=h", password_file=tmp_path / "absent").password({})  # type: ignore[arg-type]

    @pytest.mark.parametrize("given", [{}, {"dsn": "host=h", "dsn_env": "DSN"}])
    def test_there_is_exactly_one_connection_string(self, given: dict[str, str]) -> None:
        with pytest.raises(ValidationError, match="exactly one of dsn, dsn_env and dsn_file"):
            SourceConfig(**given)  # type: ignore[arg-type]

    def test_there_is_at_most_one_password(self) -> None:
        with pytest.raises(ValidationError, match="not both"):
            SourceConfig(dsn="host=h", password_env="A", password_file=Path("b"))  # type: ignore[arg-type]  # noqa: S106

    def test_a_source_in_a_log_or_a_traceback_shows_no_secret(self) -> None:
        source = SourceConfig(dsn="host=h password=s3cret")  # type: ignore[arg-type]

        assert "s3cret" not in f"{source!r} {source}"


class TestLedgers:
    @pytest.mark.parametrize(
        "relation", ["cost_ledger", "billing.cost_ledger", '"Cost Ledger"', 'db.s."a""b"', "Кошти"]
    )
    def test_a_relation_is_a_name(self, relation: str) -> None:
        assert CostLedger(source="main", relation=relation).relation == relation

    @pytest.mark.parametrize("relation", ["", "a b", "a; drop table b", "(select 1)", 'a"b', "a.b.c.d", "1a"])
    def test_a_relation_is_nothing_else(self, relation: str) -> None:
        with pytest.raises(ValidationError, match="relation"):
            CostLedger(source="main", relation=relation)

    def test_columns_are_called_as_in_the_reference_unless_mapped_or_absent(self) -> None:
        ledger = CostLedger(source="main", columns={"cost_usd": " cents / 100.0 ", "model": None})

        assert (ledger.expression("cost_usd"), ledger.expression("model"), ledger.expression("id")) == (
            "cents / 100.0", "NULL", "id",
        )  # fmt: skip
        assert (ledger.has("cost_usd"), ledger.has("model"), ledger.has("id")) == (True, False, True)

    def test_an_expression_ends_no_statement(self) -> None:
        for expression in ("1; drop table x", "1 -- comment", "  "):
            with pytest.raises(ValidationError, match="SQL expression"):
                CostLedger(source="main", columns={"cost_usd": expression})

    def test_a_column_that_is_needed_may_not_be_absent(self) -> None:
        with pytest.raises(
            ValidationError, match="cost_usd may not be null; only model, task_id, quest_id, tokens_out"
        ):
            CostLedger(source="main", columns={"cost_usd": None})

    def test_a_column_that_does_not_exist_is_refused(self) -> None:
        with pytest.raises(ValidationError, match="price is not a column of this ledger; allowed: quest_id, day"):
            BudgetLedger(source="main", columns={"price": "1"})

    def test_a_ledger_stands_in_one_source_or_in_several(self) -> None:
        assert CostLedger(source="main").source_names == ("main",)
        assert CostLedger(sources=("a", "b")).source_names == ("a", "b")
        for given in ({}, {"source": "a", "sources": ("b",)}):
            with pytest.raises(ValidationError, match="exactly one of source and sources"):
                CostLedger(**given)

    def test_rows_are_not_counted_twice(self) -> None:
        with pytest.raises(ValidationError, match="would count twice"):
            CostLedger(sources=("a", "b", "a"))


class TestNumbers:
    def test_the_impact_limit_is_exact(self) -> None:
        assert WasteConfig(max_impact=0.1).max_impact == Decimal("0.1")  # type: ignore[arg-type]

    @pytest.mark.parametrize("impact", [float("nan"), float("inf"), "much", True, None])
    def test_an_impact_limit_that_is_no_number_is_refused(self, impact: object) -> None:
        with pytest.raises(ValidationError, match="number"):
            WasteConfig(max_impact=impact)  # type: ignore[arg-type]

    @pytest.mark.parametrize("given", [{"top": 0}, {"top": 1001}, {"min_tokens": -1}, {"top": "5"}, {"top": 5.5}])
    def test_impossible_numbers_are_refused(self, given: dict[str, object]) -> None:
        with pytest.raises(ValidationError):
            WasteConfig(**given)  # type: ignore[arg-type]

    @pytest.mark.parametrize("limit", ["quests", "models", "providers", "layers", "combinations", "series"])
    def test_no_limit_may_be_0(self, limit: str) -> None:
        with pytest.raises(ValidationError, match=limit):
            Limits(**{limit: 0})

    def test_values_do_not_vanish_between_two_refreshes(self) -> None:
        with pytest.raises(ValidationError, match="must not be shorter than interval"):
            RefreshConfig(interval="1m", max_age="59s")  # type: ignore[arg-type]

    def test_values_do_not_vanish_while_a_refresh_waits(self) -> None:
        with pytest.raises(ValidationError, match="must not be shorter than timeout"):
            RefreshConfig(interval="1s", timeout="1m", max_age="59s")  # type: ignore[arg-type]

    @pytest.mark.parametrize("name", ["interval", "timeout"])
    def test_refreshes_leave_the_database_time_to_breathe(self, name: str) -> None:
        with pytest.raises(ValidationError, match=f"{name} must be at least 100ms"):
            RefreshConfig(**{name: "99ms"})  # type: ignore[arg-type]

    @pytest.mark.parametrize("pattern", ["(", "a{99999999999}", "(" * 5000 + ")" * 5000])
    def test_a_pattern_that_is_no_regular_expression_is_refused(self, pattern: str) -> None:
        with pytest.raises(ValidationError, match="not a regular expression"):
            ProviderPattern(pattern=pattern, family="A")

    def test_nothing_changes_once_it_is_loaded(self) -> None:
        with pytest.raises(ValidationError, match="frozen"):
            Limits().quests = 5  # type: ignore[misc]
