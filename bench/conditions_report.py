"""The part of the report about this project's exporter alone: statements, edits, conditions and late rows. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bench.exporters import OURS
from bench.figures import Result, number, size_name, size_of, table


def sections(result: Result) -> Iterator[str]:
    """Yield titles, words and tables of what was measured."""
    if result["conditions"]:
        yield "## Statements of a refresh"
        yield _STATEMENTS
        yield _statements(result)
        yield "## Until an edited old row shows"
        yield _EDITS
        yield _edits(result)
        yield "## Refreshes under other conditions"
        yield _CONDITIONS
        yield _conditions(result)
        yield "## Updates to an unrelated column"
        yield _UPDATES
        yield _updates(result)
    if result["lateness"]:
        yield "## Rows that arrive late"
        yield _LATENESS
        yield _lateness(result)


_STATEMENTS = """\
Every statement that the server executes between two swaps, `begin` and `commit` included, and with them the verification
that follows a refresh. Medians. Quiet: nothing is booked."""

_EDITS = """\
A charge of a random day before the last rises by a plain `update`. Scrapes are taken until the spend of all time has it. The
charges are edited one after the other, each when the one before shows, in one process and at an interval of 15 s: the pause
after which the server's counts may hurry verification again is in the later ones. An edit that does not show in time counts
with the time it was waited for."""

_CONDITIONS = """\
The compact configuration. *Usual* is the ledger freshly vacuumed after it was filled, as above. *Cold cache*: the first refresh
after a restart of the server, its connection included, by a process that has loaded the ledger before. *Unvacuumed tail*: the
newest charges (a tenth of the ledger, at most 250,000) were updated after the last vacuum, which leaves as many dead rows.
*Random order*: charges and outcomes are copies made with `order by random()`, with the same indexes."""

_UPDATES = """\
Random charges are updated in a column that no figure is made of, all the time, in one transaction a second. The server cannot
say that nothing of interest has changed. The share of one core is that of the exporter's process, and the database time of its
role, over the time given. It is measured from a start on, instead of over an hour: the pauses after hints of the server's
counts, which double up to an hour, are the shortest then."""

_LATENESS = """\
A ledger of its own with text ids. Fifty calls begin in a second. Their durations are log-normal with a median of 10 s (sigma
1), up to 240 s. A call is booked in the batch after its end, every 10 s, with the instant of its start. We refresh every
15 s and verify after each refresh. During the outage nothing is booked for 10 minutes, then all that has waited.

The clock is simulated: our own refresher is told the time, and the hour takes minutes. *Most missing at any refresh* counts
rows that a refresh did not show though they were booked a minute before it, or earlier."""


def _statements(result: Result) -> str:
    figures = ("quiet", "quiet_most", "booked")
    rows = [
        [size_name(each["rows"]), *(number(each["statements"][figure]) for figure in figures)]
        for each in result["conditions"]
    ]
    return table(["Rows", "Quiet", "Quiet, most", "While 25,000 a day are booked"], rows)


def _edits(result: Result) -> str:
    head = ["Rows", "Days", "Edits", "Shown in time", "Median, s", "Longest, s"]
    old = result["old_ledger"]
    ledgers = [(old["rows"], old["days"], old)] if old else []
    ledgers += [(each["rows"], each["rows"] / each["rate"], each["edits"]) for each in result["conditions"]]
    figures = ("edits", "shown", "p50_seconds", "longest_seconds")
    return table(
        head,
        [
            [size_name(rows), number(days), *(number(found[figure]) for figure in figures)]
            for rows, days, found in ledgers
        ],
    )


def _conditions(result: Result) -> str:
    rows = []
    for each in result["conditions"]:
        size = size_name(each["rows"])
        usual = size_of(result, each["rows"])
        cold = "cold cache" if each["cold"]["dropped_caches"] else "cold cache of the server, not of the system"
        found = [("usual", usual[OURS])] if usual else []
        found += [(cold, each["cold"]), ("unvacuumed tail", each["tail"]), ("random order", each["random"])]
        for title, figures in found:
            first = (figures["first_load_seconds"], figures["first_load_db_ms"])
            rows.append(
                [size, title, str(figures["refreshes"]), *map(number, (figures["db_ms"], figures["wall_ms"], *first))]
            )
    head = ["Rows", "Condition", "Refreshes", "Database time, ms", "Wall, ms", "First load, s", "Its database time, ms"]
    return table(head, rows)


def _updates(result: Result) -> str:
    rows = []
    for each in result["conditions"]:
        found = each["updates"]
        shares = [found[when][side] for side in ("exporter", "server") for when in ("quiet", "busy")]
        row = [size_name(each["rows"]), number(found["a_second"]), number(found["seconds"])]
        rows.append(row + [f"{share:.2%}" for share in shares])
    sides = ["Exporter, quiet", "Exporter, updates", "Server, quiet", "Server, updates"]
    return table(["Rows", "Updates a second", "Seconds", *sides], rows)


def _lateness(result: Result) -> str:
    rows = [
        ["10 minutes" if each["outage"] else "none", *(number(each[figure]) for figure in _LATE_FIGURES)]
        for each in result["lateness"]
    ]
    return table(
        ["Outage", "Rows", "Refreshes", "Missing 60 s after the last booking", "Most missing at any refresh"], rows
    )


_LATE_FIGURES = ("rows", "refreshes", "missing", "most_missing")
