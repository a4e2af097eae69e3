"""Two readings of every place around one reading of the ledgers, compared figure by figure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from exporter.config import Config
from exporter.databases.postgresql import Source
from exporter.reconcile import exact, published, truth
from exporter.reconcile.comparison import Comparison
from exporter.reconcile.figures import figures, lasting
from exporter.reconcile.kept import Kept
from exporter.reconcile.published import Place, Read
from exporter.reconcile.truth import Truth
from exporter.terminal import StatusLine

ENGINE = "the incremental engine"
_LOST = "it was there before and has gone: it could not be compared"


def reconcile(
    config: Config, sources: Mapping[str, Source], places: Sequence[Place], wait_seconds: float, status: StatusLine
) -> list[Comparison]:
    """Compare the engine, and what every place publishes, with the oracle.

    A place is read before the ledgers, and again once it has refreshed, for which it has `wait_seconds`.

    Raises:
        SourceError: a ledger cannot be read.
        RequestError: a place cannot be read at the beginning.
    """
    before = {place: published.read(place) for place in places}
    folded = {Kept(), *(Kept.of(samples) for found in before.values() for samples in found.values())}
    said = truth.read(config, sources, folded, status)
    comparisons = [_engine(said)]
    for place, found in before.items():
        comparisons += _compared(place, found, said, wait_seconds, status)
    status.end()
    return comparisons


def _engine(said: Truth) -> Comparison:
    """Compare the engine with the oracle: both have read the same snapshot."""
    oracle = said.oracle[Kept()]
    engine = {**figures(said.engine.samples), **exact.sums(said.engine.snapshot)}
    return Comparison.between(ENGINE, engine, engine, {**figures(oracle.samples), **exact.sums(oracle.snapshot)})


def _compared(place: Place, before: Read, said: Truth, wait_seconds: float, status: StatusLine) -> Iterator[Comparison]:
    """Read a place again, and compare each of its targets with the oracle."""
    again = published.read_again(place, before, said.instant, wait_seconds, status)
    for target, samples in before.items():
        name = published.named(place, target)
        if target not in again.read:
            yield Comparison(name, notes=(again.problem or _LOST,), incomplete=True)
            continue
        after = again.read[target]
        oracle = said.oracle[Kept.of(samples)].samples
        notes = [f"the {ledger} ledger could not be read at the last refresh: its figures are held"
                 for ledger in published.down(after)]  # fmt: skip
        if target in again.late:
            notes.append(f"there was no refresh within {wait_seconds:g} s: what was booked meanwhile may be missing")
        yield Comparison.between(name, lasting(samples), lasting(after), lasting(oracle), tuple(notes))
