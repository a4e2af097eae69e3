"""Ledgers in other schemas, mapped by configuration alone: the recipes of docs/mapping.md, read from that page and run.

The same bookings stand in the reference schema and in the foreign one. What is published of the two has to be the same,
sample for sample.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from exporter.views import health
from tests.oracle import Key, key
from tests.support import product
from tests.support.exporter_process import Exporter, sample

pytestmark = pytest.mark.both_servers

NOON = datetime(2026, 4, 10, 12, tzinfo=UTC)
PAGE = Path(__file__).parents[2] / "docs" / "mapping.md"

BOOKINGS = """
insert into cost_ledger
select n, timestamptz '2026-04-10 11:59:59.875Z' - n * interval '5 hours 7 minutes',
       (array['bedrock/claude-3', 'MiniMax-M2', 'codex-mini', 'max', null])[1 + n % 5], 'model-' || n % 3,
       case when n % 11 > 0 then 'task-' || n % 40 end, case when n % 13 > 0 then 'quest-' || n % 4 end,
       100 * n, 10 * n, case when n % 29 = 0 then -0.5 else n * 0.01 end
from generate_series(1, 300) as n;

insert into impact_ledger
select n, timestamptz '2026-04-10 11:00Z' - n * interval '7 hours', null, 'task-' || n, 'Task ' || n, 'quest-' || n % 4,
       (array['Agora', 'Exchange', 'Forge', 'Atlas', 'Senate'])[1 + n % 5], 500 * n, n * 0.02,
       case when n % 3 > 0 then (n % 7) * 0.25 end
from generate_series(1, 100) as n;

insert into quest_budget_allocations
select 'quest-' || quest, 'Quest ' || quest, day, 10 + quest, null
from generate_series(0, 3) as quest, generate_series(timestamp '2026-03-01', '2026-04-30', '1 day') as day;
"""

REFERENCE = """
ledgers:
  cost: {source: main}
  impact: {source: main, columns: {updated_at: null}}
  budget: {source: main, columns: {spent_usd: null}}
"""


SPEND = key("ledger_provider_spend_usd", {"provider": "MiniMax", "window": "all"})
BUDGET = key("ledger_quest_budget_usd", {"quest": "Quest 0"})
REJECTED = key("ledger_rows_rejected", {"ledger": "cost", "reason": "cost"})


@dataclass(frozen=True)
class Recipe:
    """How the bookings get into a foreign schema, and what of the reference it cannot tell."""

    books: str
    reference: Mapping[str, str | None] = field(default_factory=dict)


RECIPES = {
    "Other names": Recipe("""
        insert into usage.model_calls
        select id, created_at at time zone 'UTC', provider, model, task_id, quest_id, tokens_in, tokens_out, cost_usd
        from cost_ledger;
        insert into usage.results
        select id, created_at, task_id, title, quest_id, layer, total_tokens, cost_usd, impact_score from impact_ledger;
        insert into usage.project_budgets
        select quest_id, quest_name, day, allocated_usd from quest_budget_allocations
    """),
    "One column of tokens": Recipe(
        """
        insert into calls
        select id, created_at, provider, model, task_id, quest_id, tokens_in + tokens_out, cost_usd from cost_ledger
        """,
        reference={"tokens_in": "tokens_in + tokens_out", "tokens_out": None},
    ),
    "Cents instead of dollars": Recipe("""
        insert into calls
        select id, created_at, provider, model, task_id, quest_id, tokens_in, tokens_out, cost_usd * 100
        from cost_ledger
    """),
    "Epoch milliseconds": Recipe("""
        insert into calls
        select id, extract(epoch from created_at) * 1000, provider, model, task_id, quest_id, tokens_in, tokens_out,
               cost_usd
        from cost_ledger
    """),
    "JSON columns": Recipe("""
        insert into events
        select id, created_at, jsonb_build_object(
            'provider', provider, 'model', model, 'cost', cost_usd,
            'context', jsonb_build_object('task', task_id, 'quest', quest_id),
            'usage', jsonb_build_object('input', tokens_in, 'output', tokens_out)
        )
        from cost_ledger
    """),
    "Budgets per month": Recipe("""
        insert into monthly_budgets
        select quest_id, quest_name, date_trunc('month', day), sum(allocated_usd)
        from quest_budget_allocations group by 1, 2, 3
    """),
    "Quests as tags": Recipe("""
        insert into calls
        select id, created_at, provider, model, task_id,
               case when quest_id is not null then array['team:blue', 'quest:' || quest_id, 'region:eu'] else '{}' end,
               tokens_in, tokens_out, cost_usd
        from cost_ledger
    """),
    "Several currencies": Recipe("""
        insert into calls
        select id, created_at, provider, model, task_id, quest_id, tokens_in, tokens_out, cost_usd, 'USD'
        from cost_ledger
    """),
    "A view for the rest": Recipe("""
        insert into exchange_rates
        select 'EUR', day, 1.25 from generate_series(timestamp '2026-01-01', '2026-04-10', '1 day') as day;
        insert into calls
        select id, created_at, provider, model, task_id, quest_id, tokens_in, tokens_out,
               case when id % 2 = 0 then cost_usd / 1.25 else cost_usd end,
               case when id % 2 = 0 then 'EUR' else 'USD' end, false
        from cost_ledger;
        insert into calls select 1000 + id, now(), 'test', null, null, null, 1, 1, 1000, 'USD', true from cost_ledger
    """),
}


def sections() -> dict[str, dict[str, list[str]]]:
    """The fenced blocks of each section of the page, by language."""
    found = re.findall(r"^## (.+?)$(.*?)(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return {
        title: {
            language: re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
            for language in ("sql", "yaml", "text")
        }
        for title, text in found
    }


SECTIONS = sections()


Ask = Callable[[Mapping[str, Any]], dict[Key, float]]


@pytest.fixture
def figures(database: str, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """What is published of the database under a configuration: all but the exporter's own state."""
    own = {metric.name for metric in health.METRICS} - {"ledger_up", "ledger_rows_rejected"}

    def ask(settings: Mapping[str, Any]) -> dict[Key, float]:
        monkeypatch.setattr(product, "configuration", lambda *_: configuration(database, settings))
        with product.Product([database]) as exporter:
            return {sample: number for sample, number in exporter.refresh(NOON).items() if sample[0] not in own}

    return ask


def configuration(dsn: str, settings: Mapping[str, Any]) -> str:
    """A configuration file: what is given, and the database as its source."""
    return yaml.safe_dump({"sources": {"main": {"dsn": dsn}}, "refresh": {"interval": "300ms"}, **settings})


def reference(recipe: Recipe) -> dict[str, Any]:
    """The configuration of the reference schema, without what the foreign one cannot tell."""
    configuration: dict[str, Any] = yaml.safe_load(REFERENCE)
    configuration["ledgers"]["cost"]["columns"] = dict(recipe.reference)
    return configuration


def mapping(title: str) -> dict[str, Any]:
    """The configuration of a section; what it leaves in the reference schema lacks the same columns as in REFERENCE."""
    (block,) = SECTIONS[title]["yaml"]
    configuration: dict[str, Any] = yaml.safe_load(block)
    for ledger, section in yaml.safe_load(REFERENCE)["ledgers"].items():
        if configuration["ledgers"][ledger] == {"source": "main"}:
            configuration["ledgers"][ledger] = section
    return configuration


@pytest.fixture
def platform(database: str) -> Iterator[psycopg.Connection[Any]]:
    """The platform's connection; the bookings stand in the reference schema."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(BOOKINGS)
        yield connection


def create(platform: psycopg.Connection[Any], title: str) -> None:
    """Create the foreign schema of a section and book in it what stands in the reference schema."""
    for statements in SECTIONS[title]["sql"]:
        platform.execute(statements)
    platform.execute(RECIPES[title].books)


def test_every_recipe_is_run() -> None:
    """Every section with a schema and a configuration, and no other."""
    assert [title for title, blocks in SECTIONS.items() if blocks["sql"] and blocks["yaml"]] == list(RECIPES)


def test_a_part_of_a_month_is_exact_on_every_version(platform: psycopg.Connection[Any]) -> None:
    """`extract` is `date_part`, a binary fraction, on PostgreSQL 13; what money is divided by is numeric there too."""
    create(platform, "Budgets per month")
    expression = mapping("Budgets per month")["ledgers"]["budget"]["columns"]["allocated_usd"]
    old = re.sub(r"extract\((\w+) from ", r"date_part('\1', ", expression)

    assert old != expression
    assert platform.execute(f"select distinct pg_typeof({old})::text from monthly_budgets".encode()).fetchall() == [
        ("numeric",)
    ]


@pytest.mark.parametrize("title", RECIPES)
def test_it_publishes_what_the_reference_schema_does(
    figures: Ask, platform: psycopg.Connection[Any], title: str
) -> None:
    create(platform, title)
    expected = figures(reference(RECIPES[title]))

    assert len(expected) > 500
    assert all(expected[key("ledger_up", {"ledger": ledger})] == 1 for ledger in ("cost", "impact", "budget"))
    assert figures(mapping(title)) == expected


@pytest.mark.parametrize("title", RECIPES)
def test_the_comparison_can_fail(figures: Ask, platform: psycopg.Connection[Any], title: str) -> None:
    """A cent of difference between the two shows."""
    create(platform, title)
    platform.execute("update cost_ledger set cost_usd = cost_usd + 0.01 where id = 1")
    platform.execute(
        "update quest_budget_allocations set allocated_usd = allocated_usd + 0.01 where day = '2026-04-10'"
    )
    expected, found = figures(reference(RECIPES[title])), figures(mapping(title))
    foreign_cost = mapping(title)["ledgers"]["cost"] != yaml.safe_load(REFERENCE)["ledgers"]["cost"]
    changed = SPEND if foreign_cost else BUDGET

    assert found[key("ledger_up", {"ledger": "cost"})] == found[key("ledger_up", {"ledger": "budget"})] == 1
    assert found[changed] == pytest.approx(expected[changed] - 0.01)


class TestSeveralCurrencies:
    TITLE = "Several currencies"

    @pytest.mark.parametrize("currency", ["'EUR'", "null"])
    def test_another_currency_is_refused_with_a_reason(
        self, database: str, platform: psycopg.Connection[Any], tmp_path: Path, currency: str
    ) -> None:
        """The ledger is down and the log says which row it was, as the page does; the others are read."""
        create(platform, self.TITLE)
        platform.execute(f"update calls set currency = {currency} where id = 17")
        (message,) = SECTIONS[self.TITLE]["text"]
        file = tmp_path / "ledger-exporter.yml"
        file.write_text(configuration(database, mapping(self.TITLE)))

        with Exporter(file) as exporter:
            said = exporter.wait_for("ledger cannot be read", ledger="cost")
            up = exporter.until(lambda samples: samples.get(sample("ledger_up", ledger="impact")) == 1)

        shown = message.strip().replace("EUR", "no currency" if currency == "null" else "EUR")
        assert all(piece in said["error"] for piece in shown.split("..."))
        assert {ledger: up[sample("ledger_up", ledger=ledger)] for ledger in ("cost", "impact", "budget")} == {
            "cost": 0,
            "impact": 1,
            "budget": 1,
        }

    def test_leaving_them_out_is_the_other_choice(self, figures: Ask, platform: psycopg.Connection[Any]) -> None:
        """They are counted, and nothing else of them is."""
        create(platform, self.TITLE)
        platform.execute("update calls set currency = 'EUR' where id % 3 = 0")
        platform.execute("delete from cost_ledger where id % 3 = 0")
        settings = mapping(self.TITLE)
        (choice,) = re.findall(r"`(case when currency = 'USD' then amount end)`", PAGE.read_text())
        settings["ledgers"]["cost"]["columns"]["cost_usd"] = choice

        expected = figures(reference(RECIPES[self.TITLE]))

        assert figures(settings) == {**expected, REJECTED: 100}


class TestAViewForTheRest:
    TITLE = "A view for the rest"

    def test_a_day_without_a_rate_is_not_guessed(self, figures: Ask, platform: psycopg.Connection[Any]) -> None:
        create(platform, self.TITLE)
        platform.execute("delete from exchange_rates where day = '2026-04-05'")
        ((left_out,),) = platform.execute(
            "select count(*) from calls where currency = 'EUR' and (created_at at time zone 'UTC')::date = '2026-04-05'"
        ).fetchall()

        assert left_out > 0
        assert figures(mapping(self.TITLE))[REJECTED] == left_out


def test_weeks_are_as_easy_as_months(figures: Ask, platform: psycopg.Connection[Any]) -> None:
    """The variant that the page mentions."""
    day, part = re.findall(r"`(generate_series\(monday.*?|budget / 7)`", PAGE.read_text())
    platform.execute("create table weekly (quest_id text, monday date, budget numeric)")
    platform.execute("insert into weekly values ('quest-0', '2026-04-06', 70)")
    columns = {"day": day, "allocated_usd": part, "quest_name": None, "spent_usd": None}
    budget = {"source": "main", "relation": "weekly", "columns": columns}

    found = figures({"ledgers": {**yaml.safe_load(REFERENCE)["ledgers"], "budget": budget}})

    assert found[key("ledger_quest_allocated_usd", {"quest": "quest-0", "window": "7d"})] == 50
    assert found[key("ledger_quest_budget_usd", {"quest": "quest-0"})] == 10
