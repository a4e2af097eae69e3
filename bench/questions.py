"""The six questions every peer asks of the ledgers: the SQL, and the metric with its labels that answers each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psycopg

_FOLDER = Path(__file__).parent / "sql"


def script(name: str) -> str:
    """Return an SQL file of the benchmark, given as `questions/quest_spend`."""
    return (_FOLDER / f"{name}.sql").read_text("utf-8")


@dataclass(frozen=True)
class Question:
    """A question: its rows have a column for each label, and one named as the metric for the value."""

    name: str
    metric: str
    labels: tuple[str, ...]

    @property
    def sql(self) -> str:
        """The query."""
        return script(f"questions/{self.name}")


QUESTIONS = (
    Question("provider_spend", "ledger_provider_spend_usd", ("provider", "window")),
    Question("provider_tokens", "ledger_provider_tokens", ("provider", "token_type", "window")),
    Question("provider_tasks", "ledger_provider_tasks", ("provider", "window")),
    Question("quest_spend", "ledger_quest_spend_usd", ("quest", "window")),  # the budget is window "budget"
    Question("quest_impact", "ledger_quest_impact_per_usd", ("quest", "window")),
    Question("quest_waste", "ledger_quest_waste_usd", ("quest", "window")),
)


def ask_all(dsn: str) -> None:
    """Ask all six once; how long that takes is how long a peer's refresh will take."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for question in QUESTIONS:
            connection.execute(question.sql.encode()).fetchall()
