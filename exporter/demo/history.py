"""The platform's past, written to a database in one transaction: the schema, so many days, and the dirt every ledger holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from importlib.resources import files
from random import Random
from typing import TYPE_CHECKING, Any

from psycopg import ClientCursor

from exporter.demo.incidents import Incident, Incidents
from exporter.demo.platform import Platform, midnight
from exporter.demo.rows import ALLOCATION_COLUMNS, CHARGE_COLUMNS, OUTCOME_COLUMNS, Task
from exporter.errors import ExporterError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from psycopg import Connection, Cursor

DAYS = 60
DIRT_AT = timedelta(days=37, hours=5)
MARK = "ledger-exporter demo"

Progress = Callable[[float], None]


class ForeignLedgerError(ExporterError):
    """The database holds ledgers that are not the demo's; invented rows must not be booked among real ones."""


def script(name: str) -> str:
    """An SQL file of this package."""
    return files("exporter.demo").joinpath(name).read_text("utf-8")


def is_loaded(connection: Connection[Any]) -> bool:
    """Create the schema where it is missing, and say whether the demo's history is there already.

    Raises ForeignLedgerError where the ledgers hold rows that this demo did not write.
    """
    with connection.transaction():
        connection.execute(script("schema.sql").encode())
    found = connection.execute(
        "select obj_description('cost_ledger'::regclass, 'pg_class') is not distinct from %s,"
        " exists (select from cost_ledger) or exists (select from impact_ledger)"
        " or exists (select from quest_budget_allocations)",
        [MARK],
    ).fetchone()
    ours, filled = found or (False, False)
    if filled and not ours:
        raise ForeignLedgerError("this database holds ledgers that are not the demo's: give it an empty database")
    return bool(filled)


def load(
    connection: Connection[Any],
    platform: Platform,
    now: datetime,
    *,
    days: int = DAYS,
    progress: Progress = lambda _: None,
) -> None:
    """Write the history of so many whole days and of today up to `now`, in one transaction.

    `progress` is called with the part done, 0 to 1; what it raises ends the load and leaves the ledgers empty.
    """
    today = now.date()
    spent_usd: dict[tuple[str | None, date], Decimal] = defaultdict(Decimal)
    with connection.transaction(), connection.cursor() as cursor:
        for ago in range(days, -1, -1):
            tasks = platform.tasks(today - timedelta(days=ago))
            copy_tasks(cursor, tasks, now)
            for task in tasks:
                for charge in task.charges:
                    if charge.created_at <= now:
                        spent_usd[charge.quest_id, charge.created_at.date()] += charge.cost_usd
            progress((days - ago + 1) / (days + 2))
        _copy_allocations(cursor, platform, [today - timedelta(days=ago) for ago in range(days, -1, -1)], spent_usd)
        dirt_at = midnight(today) - min(DIRT_AT, timedelta(days=days))
        ClientCursor(connection).execute(script("sql/dirt.sql").encode(), {"at": dirt_at})
        cursor.execute(f"comment on table cost_ledger is '{MARK}'".encode())
        cursor.execute("analyze cost_ledger, impact_ledger, quest_budget_allocations")
    progress(1.0)


def resume(connection: Connection[Any], seed: int, scale: float, now: datetime) -> tuple[Platform, datetime]:
    """The platform whose history is loaded, and the instant up to which it has booked.

    The incidents of today hang on `now`; a quest that has overspent today already does not do so once more.
    """
    row = connection.execute("select max(created_at) from cost_ledger where created_at <= %s", [now]).fetchone()
    booked_until = row[0] if row and row[0] else now
    at = {"now": now, "today": now.date(), "midnight": midnight(now.date())}
    overspent = connection.execute(script("sql/tour/overspent.sql").encode(), at).fetchone()
    happening = frozenset(Incident) - ({Incident.OVERSPENT} if overspent else set())
    return Platform(seed, scale, Incidents(now, happening, booked_until)), booked_until


def copy_tasks(cursor: Cursor[Any], tasks: list[Task], now: datetime) -> None:
    """Write the tasks' charges up to `now`, in order of time, and their outcomes as they read at `now`."""
    charges = [charge for task in tasks for charge in task.charges if charge.created_at <= now]
    charges.sort(key=lambda charge: charge.created_at)
    copy(cursor, "cost_ledger", CHARGE_COLUMNS, charges)
    outcomes = [task.outcome for task in tasks if task.outcome and task.outcome.created_at <= now]
    outcomes.sort(key=lambda outcome: outcome.created_at)
    copy(cursor, "impact_ledger", OUTCOME_COLUMNS, (outcome.row(now) for outcome in outcomes))


def copy(cursor: Cursor[Any], relation: str, columns: str, rows: Iterable[tuple[object, ...]]) -> None:
    """Append rows to a relation."""
    with cursor.copy(f"copy {relation} ({columns}) from stdin".encode()) as stream:
        for row in rows:
            stream.write_row(row)


def _copy_allocations(
    cursor: Cursor[Any], platform: Platform, days: list[date], spent_usd: dict[tuple[str | None, date], Decimal]
) -> None:
    """Write the days' allocations, with a recorded spend that is close to what was charged but seldom equal."""
    rng = Random(f"{platform.seed}/recorded")  # noqa: S311  a story, not a secret
    rows = []
    for day in days:
        for allocation in platform.allocations(day):
            heard = Decimal(str(round(rng.uniform(0.98, 1.0), 4)))
            recorded = (spent_usd[allocation.quest_id, day] * heard).quantize(Decimal("0.01"))
            rows.append(allocation._replace(spent_usd=recorded))
    copy(cursor, "quest_budget_allocations", ALLOCATION_COLUMNS, rows)
