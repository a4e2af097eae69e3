"""Every query of the documentation, asked of a real Prometheus that scrapes the real exporter over the demo's ledgers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from math import isnan
from pathlib import Path

import psycopg
import pytest

from exporter.demo import history
from exporter.demo.incidents import Incidents
from exporter.demo.platform import Platform
from tests.support import postgres
from tests.support.days import skip_shortly_before_midnight
from tests.support.exporter_process import Exporter, eventually
from tests.support.prometheus import Prometheus, Series

pytestmark = pytest.mark.tools

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "cookbook.md"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
QUESTIONS = 20
CONFIGURATION = """\
sources: {{platform: {{dsn: "{dsn}"}}}}
ledgers: {{cost: {{source: platform}}, impact: {{source: platform}}, budget: {{source: platform}}}}
refresh: {{interval: 500ms}}
"""

# Charges as they come in, which the counters see.
BOOK = """
    insert into cost_ledger (created_at, provider, model, task_id, quest_id, tokens_in, tokens_out, cost_usd)
    select distinct on (provider, model, quest_id)
        now(), provider, model, task_id, quest_id, tokens_in, tokens_out, cost_usd
    from cost_ledger where cost_usd between 0 and 100 and tokens_in > 0 and created_at <= now()
    order by provider, model, quest_id, created_at desc
"""

RECIPE = re.compile(r"^### (.+?)$.*?^```promql\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RECIPES: dict[str, str] = dict(RECIPE.findall(PAGE.read_text()))

LABELS = {
    "How much of today's budget is spent?": set(),
    "Which quests are over today's budget?": {"quest"},
    "Where will today end, if it goes on like this?": set(),
    "In how many hours is a quest's budget gone, at the pace of the last hour?": {"quest"},
    "On which of the last 30 days did all quests together overspend?": {"day"},
    "Which quests spend without a budget?": {"quest"},
    "Which quests leave their money lying?": {"quest"},
    "Who holds how much of today's budget?": {"quest"},
    "What does each provider cost, and what share is it?": {"provider"},
    "What does a task cost, by provider?": {"provider"},
    "What does a million tokens cost, by model?": {"provider", "model"},
    "Which models became dearer?": {"provider", "model"},
    "How many dollars an hour go out right now, and to which model?": {"provider", "model"},
    "Whom does a quest pay?": {"quest", "provider"},
    "Which layer gives the most for a dollar?": {"layer"},
    "Which quests give less than they used to?": {"quest"},
    "What was wasted, and why?": {"reason"},
    "Which quests waste the most of what they get?": {"quest"},
    "Which tasks are running away?": {"task", "quest"},
    "Do charges and the budget ledger's own figures agree?": {"quest"},
}
"""What each answer tells its rows apart by, beside the window."""

UTC_DAY = "(now() at time zone 'utc')::date"

TRUTHS = {
    "How much of today's budget is spent?": (
        "",
        f"""
        select '', (select sum(cost_usd) from cost_ledger
                    where (created_at at time zone 'utc')::date = {UTC_DAY} and cost_usd < 'Infinity')
            / (select sum(allocated_usd) from quest_budget_allocations where day = {UTC_DAY} and allocated_usd < 'Infinity')
        """,
    ),
    "On which of the last 30 days did all quests together overspend?": (
        "day",
        f"""
        select to_char(day, 'YYYY-MM-DD'), spend
        from (
            select (created_at at time zone 'utc')::date as day, sum(cost_usd) as spend
            from cost_ledger where cost_usd < 'Infinity' group by 1
        ) as charged join (
            select day, sum(allocated_usd) as budget
            from quest_budget_allocations where allocated_usd < 'Infinity' group by 1
        ) as allocated using (day)
        where spend > budget and day > {UTC_DAY} - 30 and day <= {UTC_DAY}
        """,
    ),
    "What was wasted, and why?": (
        "reason",
        f"""
        select
            case when impact_score is not null then 'low_impact'
                when created_at > now() - interval '24 hours' then 'pending' else 'unscored' end,
            sum(cost_usd)
        from impact_ledger
        where (created_at at time zone 'utc')::date between {UTC_DAY} - 6 and {UTC_DAY} and cost_usd < 'Infinity'
            and total_tokens > 1000 and coalesce(impact_score, 0) <= 0.5
        group by 1
        """,
    ),
}
"""Some of the answers worked out from the ledgers: by which label, and in SQL."""


@pytest.fixture(scope="module")
def dsn(server: postgres.Server) -> Iterator[str]:
    """The demo's ledgers, incidents and all."""
    skip_shortly_before_midnight(5)
    name = server.create_database()
    now = datetime.now(UTC)
    with psycopg.connect(server.dsn(name), autocommit=True) as connection:
        assert not history.is_loaded(connection)
        history.load(connection, Platform(scale=0.05, incidents=Incidents(now)), now)
    yield server.dsn(name)
    server.drop_database(name)


@pytest.fixture(scope="module")
def prometheus(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Prometheus, which has seen charges come in."""
    folder = tmp_path_factory.mktemp("cookbook")
    file = folder / "ledger-exporter.yml"
    file.write_text(CONFIGURATION.format(dsn=dsn))
    with Exporter(file) as exporter:
        exporter.until_ready()
        with Prometheus(exporter.address, folder) as running:
            eventually(lambda: running.instant("ledger_charges_total"), "no counter was scraped")
            with psycopg.connect(dsn, autocommit=True) as connection:
                booked = connection.execute(BOOK).rowcount
            eventually(lambda: running.instant(f"sum(ledger_charges_total) == {booked}"), "the charges are not seen")
            eventually(lambda: running.instant("sum(rate(ledger_spend_usd_total[15m])) > 0"), "there is no rate")
            yield running


def asked(prometheus: Prometheus, title: str) -> list[Series]:
    """The answer to a question, from whose labels those of the scrape are gone."""
    return [
        Series({name: value for name, value in one.labels.items() if name not in ("job", "window")}, one.value)
        for one in prometheus.instant(RECIPES[title])
    ]


def test_there_are_as_many_questions_as_the_page_says() -> None:
    assert len(RECIPES) == len(re.findall("^### ", PAGE.read_text(), re.MULTILINE)) == QUESTIONS
    assert RECIPES.keys() == LABELS.keys()


@pytest.mark.parametrize("title", RECIPES)
def test_it_is_answered(prometheus: Prometheus, title: str) -> None:
    """By at least one row (there are incidents to find), each told apart by what the question asks for."""
    if title == "Where will today end, if it goes on like this?" and datetime.now(UTC).hour < 1:
        pytest.skip("there is no forecast in the first hour of a day")

    answer = asked(prometheus, title)

    assert answer
    assert {frozenset(one.labels) for one in answer} == {frozenset(LABELS[title])}
    assert not any(isnan(one.value) for one in answer)


@pytest.mark.parametrize("title", TRUTHS)
def test_it_is_answered_right(prometheus: Prometheus, dsn: str, title: str) -> None:
    label, sql = TRUTHS[title]
    with psycopg.connect(dsn) as connection:
        expected = {name: float(value) for name, value in connection.execute(sql).fetchall()}

    assert {one.labels.get(label, ""): one.value for one in asked(prometheus, title)} == pytest.approx(expected)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_queries_of_every_page_are_accepted(prometheus: Prometheus, page: Path) -> None:
    """Also where there is, as of now, nothing to answer."""
    for query in re.findall(r"^```promql\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL):
        prometheus.instant(query)
