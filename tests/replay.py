"""How many alerts an ordinary platform gets: 60 days of the demo without incidents, through real exporter and real rules.

The demo's platform books into a real PostgreSQL step by step, the exporter refreshes at each step as if it were then; what it
publishes is given to `promtool test rules`, which evaluates the alerts, and the records they compare, at each step and says
which began to fire.

Run as `python -m tests.replay`: about ten minutes of a processor. Three things keep it affordable:

- The rows of days past are added up in the ledgers (charges by day, provider, model and quest, outcomes with impact by day,
  quest and layer). What an alert looks at stays as it is: numbers of tasks and outcomes matter only of today and yesterday. As
  nothing of the kind happens to real ledgers, the exporter is restarted after it, at 00:00 UTC of every day.
- Rules no alert depends on are left out.
- A step is longer than a rule's real interval. A `for` is shortened by a step, so that whatever lasts as long as it is seen to
  begin, and much that lasts less. What comes and goes between two steps is not seen, and the pace of five minutes is that of
  two steps.

Exit codes: 0 the promise of docs/runbooks/README.md is kept (no critical alert, at most one warning a week), 1 it is not.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import psycopg
import yaml

from exporter import config_file, views
from exporter.databases.postgresql import Source
from exporter.demo import history
from exporter.demo.booking import SCORED_WITHIN_DAYS
from exporter.demo.platform import Platform, midnight
from exporter.demo.rows import ALLOCATION_COLUMNS, CHARGE_COLUMNS, OUTCOME_COLUMNS
from exporter.publishing.exposition import Demand, Format
from exporter.refresher import Refresher
from exporter.views.metric import Family
from tests.support import postgres, rules
from tests.support.tools import tool

BEGIN = date(2026, 1, 5)
UNREMARKABLE_TASK_USD = 5
"""Tasks that never cost as much are not replayed one by one: half of what alerts at the earliest."""

CONFIGURATION = """
sources: {{main: {{dsn: "{dsn}"}}}}
ledgers: {{cost: {{source: main}}, impact: {{source: main}}, budget: {{source: main}}}}
limits: {{series: 1000000}}
efficiency: {{top: 1}}
waste: {{top: 1}}
"""

ADD_UP = """
with past as (delete from cost_ledger where created_at < %(before)s returning *)
insert into cost_ledger (created_at, provider, model, quest_id, tokens_in, tokens_out, cost_usd)
select min(created_at), provider, model, quest_id, sum(tokens_in), sum(tokens_out), sum(cost_usd)
from past
group by (created_at at time zone 'UTC')::date, provider, model, quest_id, cost_usd < 0
"""
ADD_UP_OUTCOMES = """
with past as (
    delete from impact_ledger where created_at < %(before)s and impact_score > 0.5 and total_tokens > 1000 returning *
)
insert into impact_ledger (created_at, task_id, quest_id, layer, total_tokens, cost_usd, impact_score)
select min(created_at), min(task_id), quest_id, layer, sum(total_tokens), sum(cost_usd), sum(impact_score)
from past
group by (created_at at time zone 'UTC')::date, quest_id, layer
"""
FORGET = "delete from impact_ledger where created_at < %(before)s"

Series = tuple[str, tuple[tuple[str, str], ...]]


class Player:
    """Plays the platform's days into a database, up to any instant."""

    def __init__(self, connection: psycopg.Connection[Any], platform: Platform) -> None:
        self._connection = connection
        self._platform = platform
        self._after = midnight(BEGIN) - timedelta(microseconds=1)
        self._planned: list[Any] = []

    def until(self, now: datetime) -> None:
        """Book everything that happens up to an instant; a day's allocations come with its first."""
        with self._connection.transaction(), self._connection.cursor() as cursor:
            if now.date() > self._after.date():
                self._begin_day(cursor, now.date())
            self._book(cursor, now)
            start = midnight(now.date())
            for day in (start, start - timedelta(days=1))[: 2 if now - start < timedelta(minutes=10) else 1]:
                cursor.execute(history.script("sql/record_spend.sql").encode(), {"start": day})
        self._after = now

    def _begin_day(self, cursor: psycopg.Cursor[Any], day: date) -> None:
        history.copy(cursor, "quest_budget_allocations", ALLOCATION_COLUMNS, self._platform.allocations(day))
        self._planned = [task for task in self._planned if _is_open(task, self._after)] + self._platform.tasks(day)

    def add_up(self, now: datetime) -> None:
        """Make few rows of those that no alert looks at one by one any more."""
        day = midnight(now.date())
        with self._connection.transaction():
            self._connection.execute(ADD_UP.encode(), {"before": day - timedelta(days=1)})
            self._connection.execute(ADD_UP_OUTCOMES.encode(), {"before": day - timedelta(days=SCORED_WITHIN_DAYS)})
            self._connection.execute(FORGET.encode(), {"before": day - timedelta(days=32)})
        self._connection.execute("vacuum analyze")

    def _book(self, cursor: psycopg.Cursor[Any], now: datetime) -> None:
        charges = [one for task in self._planned for one in task.charges if self._after < one.created_at <= now]
        history.copy(cursor, "cost_ledger", CHARGE_COLUMNS, charges)
        outcomes = [task.outcome for task in self._planned if task.outcome]
        ended = [one.row(now) for one in outcomes if self._after < one.created_at <= now]
        history.copy(cursor, "impact_ledger", OUTCOME_COLUMNS, ended)
        cursor.executemany(
            "update impact_ledger set impact_score = %s, updated_at = %s where task_id = %s",
            [
                (one.impact_score, one.scored_at, one.task_id)
                for one in outcomes
                if one.scored_at and self._after < one.scored_at <= now
            ],
        )


def _is_open(task: Any, now: datetime) -> bool:
    """Tell whether something of a task is still to come."""
    ends = [charge.created_at for charge in task.charges]
    if task.outcome:
        ends += [task.outcome.created_at, task.outcome.scored_at or task.outcome.created_at]
    return max(ends) > now


class _Nobody(Demand):
    """Nobody scrapes: nothing needs to be rendered ahead."""

    def recent(self) -> set[Format]:
        return set()


def needed() -> list[rules.Rule]:
    """Every alert, and every record an alert depends on, in the order of the files."""
    found = {rule.alert or rule.record: rule for rule in rules.alerts()}
    while missing := [
        rule
        for rule in rules.rules()
        if rule.record and rule.record not in found and any(_reads(other, rule.record) for other in found.values())
    ]:
        found.update({rule.record: rule for rule in missing})
    return [rule for rule in rules.rules() if (rule.alert or rule.record) in found]


def _reads(rule: rules.Rule, record: str) -> bool:
    return re.search(rf"(?<![\w:]){record}(?![\w:])", rule.expr) is not None


def wanted() -> dict[str, set[str]]:
    """Every metric these rules select, with the windows they select it for (none: it has no window)."""
    found: dict[str, set[str]] = defaultdict(set)
    for rule in needed():
        for metric, matchers in re.findall(r"(?<![\w:])(ledger_\w+)(\{[^}]*\})?", rule.expr):
            found[metric].update(re.findall(r'window="(\w+)"', matchers))
    return found


class Watch:
    """The exporter over a database, restarted whenever the rows it has read are added up."""

    def __init__(self, dsn: str) -> None:
        self._config = config_file.parse(CONFIGURATION.format(dsn=dsn))
        self._source: Source | None = None
        self._refresh: Refresher | None = None

    def start(self, now: datetime) -> None:
        """Start, and refresh until all of the ledgers is read."""
        self.stop()
        self._source = Source("main", self._config.sources["main"].conninfo({}), None, self._config.refresh.timeout)
        self._refresh = Refresher.new(self._config, {"main": self._source})
        self._refresh.kept.renderer.demand = _Nobody()
        while not _is_loaded(self.families(now)):
            pass

    def families(self, now: datetime) -> dict[str, Family]:
        """Refresh, and return what is published then by name."""
        assert self._refresh is not None
        return {family.name: family for family in views.families(self._refresh.run(now).snapshot)}

    def stop(self) -> None:
        """Close what is open."""
        if self._source is not None:
            self._source.close()


def _is_loaded(families: dict[str, Family]) -> bool:
    """Tell whether both ledgers behind what quests spend are read whole: then there is a window `all`."""
    spend = families.get("ledger_quest_spend_usd")
    return spend is not None and any(labels[spend.labels.index("window")] == "all" for labels in spend.samples)


def replay(dsn: str, days: int, step: timedelta, seed: int) -> dict[Series, dict[int, float]]:
    """Play and refresh; return every wanted series' values by step."""
    metrics = wanted()
    watch = Watch(dsn)
    values: dict[Series, dict[int, float]] = defaultdict(dict)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(history.script("schema.sql").encode())
        player = Player(connection, Platform(seed))
        for number in range(days * 86_400 // int(step.total_seconds())):
            now = midnight(BEGIN) + number * step
            player.until(now)
            if number == 0:
                watch.start(now)
            families = watch.families(now)
            for name in metrics.keys() & families.keys():
                for labels, value in families[name].samples.items():
                    named = tuple(zip(families[name].labels, labels, strict=True))
                    if dict(named).get("window") in metrics[name] or not metrics[name]:
                        values[name, named][number] = value
            if now.time() == time() and number:
                player.add_up(now)
                watch.start(now)
                sys.stderr.write(f"{now:%Y-%m-%d} {len(values)} series\n")
    watch.stop()
    return {series: kept for series, kept in values.items() if _is_remarkable(series[0], kept)}


def _is_remarkable(metric: str, values: dict[int, float]) -> bool:
    if metric.startswith(("ledger_costly_task_", "ledger_wasted_task_")):
        return metric == "ledger_costly_task_usd" and max(values.values()) >= UNREMARKABLE_TASK_USD
    return True


def notation(values: dict[int, float], steps: int) -> str:
    """A series' values as promtool reads them, repetitions shortened."""
    found = []
    for value, run in groupby(values.get(step) for step in range(steps)):
        length = len(list(run))
        text = "_" if value is None else repr(value)
        found.append(f"_x{length}" if value is None else f"{text}x{length - 1}")
    return " ".join(found)


def promtool_test(file: Path, values: dict[Series, dict[int, float]], steps: int, step: timedelta) -> None:
    """Write a promtool test that fails with what we want to know: how often each alert began to fire."""
    minutes = int(step.total_seconds()) // 60
    span = steps * minutes
    with file.open("w") as out:
        out.write(f"rule_files:\n  - {_stepped(file.with_suffix('.rules.yml'), minutes)}\n")
        out.write(f"evaluation_interval: {minutes}m\ntests:\n  - interval: {minutes}m\n")
        out.write("    input_series:\n")
        for (metric, labels), kept in values.items():
            matchers = ", ".join(f'{label}="{value}"' for label, value in labels)
            series = f"{metric}{{{matchers}}}".replace("'", "''")
            out.write(f"      - series: '{series}'\n        values: '{notation(kept, steps)}'\n")
        firing = 'ALERTS{alertstate="firing"}'
        began = f"count_over_time(({firing} unless {firing} offset {minutes}m)[{span}m:{minutes}m])"
        out.write(f"    promql_expr_test:\n      - expr: '{began}'\n        eval_time: {span - minutes}m\n")


def _stepped(file: Path, minutes: int) -> Path:
    """Write the needed rules for steps of so many minutes: rates look back on two steps at least, a `for` is a step shorter."""

    def wide(found: re.Match[str]) -> str:
        return f"[{max(rules.seconds(found[1]) // 60, minutes if minutes <= 5 else 2 * minutes)}m]"

    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for rule in needed():
        body = {
            key: rule.body[key] for key in ("alert", "record", "for", "keep_firing_for", "labels") if key in rule.body
        }
        if shortened := max(0, rules.seconds(body.pop("for", "0s")) // 60 - minutes):
            body["for"] = f"{shortened}m"
        groups[rule.view].append(body | {"expr": re.sub(r"\[(\w+)\]", wide, rule.expr)})
    file.write_text(yaml.safe_dump({"groups": [{"name": view, "rules": those} for view, those in groups.items()]}))
    return file


def began(file: Path) -> list[tuple[dict[str, str], int]]:
    """Run the test; return each alert that fired, by its labels, with how often it began to."""
    ended = subprocess.run([tool("promtool"), "test", "rules", file], capture_output=True, text=True, check=False)
    found = re.findall(r"\{([^{}]*alertname[^{}]*)\} (\d+(?:\.\d+)?(?:[Ee]\+\d+)?)", ended.stdout + ended.stderr)
    assert found or ended.returncode == 0, ended.stdout + ended.stderr
    return [(dict(re.findall(r'(\w+)="([^"]*)"', labels)), int(float(count))) for labels, count in found]


def summary(alerts: list[tuple[dict[str, str], int]], days: int) -> str:
    """Alerts by severity and name."""
    lines = []
    for severity in ("critical", "warning", "info"):
        those = [(labels, count) for labels, count in alerts if labels["severity"] == severity]
        total = sum(count for _, count in those)
        lines.append(f"{severity}: {total} in {days} days, {total / days:.2f} a day, {total / days * 7:.2f} a week")
        by_name: dict[str, int] = defaultdict(int)
        for labels, count in those:
            by_name[labels["alertname"]] += count
        lines += [f"  {name}: {count}" for name, count in sorted(by_name.items())]
    return "\n".join(lines)


@contextmanager
def database() -> Iterator[str]:
    """The connection string of a fresh database on a server of its own."""
    server = postgres.start(postgres.embedded_bin())
    try:
        yield server.dsn(server.create_database())
    finally:
        server.stop()


def main() -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.replay", description=__doc__)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument(
        "--step", type=int, default=15, metavar="MINUTES", help="above 5, rates look back on two steps at least"
    )
    parser.add_argument("--seed", type=int, default=1, help="another seed, another platform")
    parser.add_argument("--keep", type=Path, help="where to leave the promtool test")
    options = parser.parse_args()
    step = timedelta(minutes=options.step)
    steps = options.days * 1440 // options.step
    with database() as dsn, tempfile.TemporaryDirectory() as folder:
        values = replay(dsn, options.days, step, options.seed)
        file = options.keep or Path(folder) / "replay.yml"
        promtool_test(file, values, steps, step)
        alerts = began(file)
    sys.stdout.write(summary(alerts, options.days) + "\n")
    for labels, count in alerts:
        sys.stdout.write(f"  {count} {labels}\n")
    counts = {
        severity: sum(n for labels, n in alerts if labels["severity"] == severity)
        for severity in ("critical", "warning")
    }
    return 1 if counts["critical"] or counts["warning"] > options.days / 7 else 0


if __name__ == "__main__":
    sys.exit(main())
