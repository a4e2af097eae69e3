"""Every size and limit of the engine, in one value that is passed in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tuning:
    """Sizes and limits of the engine. Tests pass small ones, so that a few dozen rows make it work hard."""

    reads_whole: bool = False
    """Let the databases add up whole ledgers at each refresh: slow but simple; the reference for all other reading."""
    newest_rows: int = 300
    """The newest range holds about this many rows. They are read at every refresh."""
    newest_seconds: int = 60
    """The newest range is at least this long, as rows of the last minute come in any order."""
    newest_full: float = 1.25
    """At this many times `newest_rows` the older rows of the newest range are settled."""
    piece_rows: int = 10_000
    """At most this many rows are asked for at once."""
    smallest_piece_rows: int = 500
    """After timeouts at least this many rows are asked for at once."""
    range_rows: int = 10_000
    """Settled ranges are joined up to this many rows."""
    ledger_share: int = 1_000
    """A settled range may hold this fraction of its ledger: a large ledger has larger ranges, not more."""
    settling_range_rows: int = 500
    """Ranges whose outcomes are still scored are at most this large, as each score reads one of them again."""
    settling_seconds: int = 6 * 3600
    """How long after its outcomes settle a range stays small."""
    reread_rows: int = 20_000
    """A refresh reads at most this many rows again, but at least one range; the rest is carried over."""
    late_rows: int = 20_000
    """A refresh takes in at most this many late rows; the rest is carried over."""
    overlap_ids: int = 1_500
    """This many of the largest ids are always looked at: sequences hand out cached ids late."""
    mark_seconds: int = 60
    """A transaction may draw an id some time before it gets its own number."""
    mark_seconds_without_snapshot: int = 600
    floor_step: int = 500
    """The floor of the late ids rises by at least this many: raising it costs a look at all that are known."""
    max_late_ids: int = 1_000_000
    """With this many ids known, the floor rises although a transaction of before is open: a forgotten one, most likely."""
    max_updates: int = 20_000
    """At most this many recently updated rows are known one by one."""
    updates_seconds: int = 3600
    """Rows updated within this time are looked at, as a transaction may bring an update late."""
    look_back_min_seconds: int = 15 * 60
    look_back_max_seconds: int = 24 * 3600
    look_back_rows: int = 50_000
    """Bounds of the time, and of the rows, that are counted at each refresh of a ledger without ordered ids."""
    turn_seconds: int = 3 * 86_400
    """Ranges of this long ago and later are counted in turn, in a ledger without ordered ids."""
    turn_rows: int = 5_000
    """How many of their rows are counted at each refresh."""
    probe_seconds: int = 3600
    """How often it is asked again what server and relation can do: ledgers grow, indexes come and go."""
    verified_rows: int = 10_000
    """How many rows are verified after each refresh, by their fingerprints."""
    small_ledger_rows: int = 100_000
    """A ledger of up to this many rows is verified in two or three refreshes, so that an edit shows within a minute."""
    verified_by_reading: int = 500
    """How many rows, on average, are verified after each refresh by reading them."""
    hurried_rows: int = 100_000
    """How many rows one statement of a hurried verification covers."""
    hurried_seconds: float = 0.3
    """For how long a hurried verification works after each refresh, at most."""
    hint_pause_seconds: int = 60
    longest_hint_pause_seconds: int = 3600
    """A hint of the server's counts that leads to nothing is followed again after a pause, which doubles up to the longest."""
