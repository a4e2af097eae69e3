"""Rounds of comparing: places are read before and after the oracle reads the ledgers, until nothing is open any more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from exporter.config import Config
from exporter.databases.postgresql import Source
from exporter.errors import RequestError
from exporter.publishing.samples import Key
from exporter.reconcile import exact, truth
from exporter.reconcile.comparison import Comparison
from exporter.reconcile.figures import Target, figures, lasting
from exporter.reconcile.kept import Kept
from exporter.reconcile.published import Place, Read, down, named, read, wait
from exporter.reconcile.truth import Truth
from exporter.terminal import StatusLine

ENGINE = "the incremental engine"
_LOST = "it was there before and has gone: not all of it could be compared"


@dataclass(frozen=True)
class Patience:
    """How many rounds there are at most, and how many seconds to wait for a refresh in each."""

    rounds: int
    wait_seconds: float


def reconcile(
    config: Config, sources: Mapping[str, Source], places: Sequence[Place], patience: Patience, status: StatusLine
) -> list[Comparison]:
    """Compare the engine, and every place, with the oracle.

    Figures of a ledger that is being booked in are never read at quite the same time. So what is not equal is compared again,
    and the verdict of its last round stands. Who is lost on the way is given the other rounds to come back.

    Raises:
        SourceError: a ledger cannot be read.
        RequestError: a place cannot be read at the beginning.
    """
    engine = Comparison(ENGINE)
    open_places: dict[Place, dict[Target, Comparison]] = {place: {} for place in places}
    for number in range(patience.rounds):
        before = {place: _again(place, comparisons) for place, comparisons in open_places.items()}
        folded = {Kept(), *(Kept.of(samples) for found in before.values() for samples in found.values())}
        said = truth.read(config, sources, folded, status, engine=not number)
        if said.engine is not None:
            _compare_engine(engine, said)
        for place, comparisons in open_places.items():
            status.say(f"Comparing {place.name} ...")
            _compare(place, before=before[place], said=said, comparisons=comparisons, patience=patience, status=status)
        found = [each for comparisons in open_places.values() for each in comparisons.values()]
        if all(each.is_settled for each in found):
            break
    status.end()
    return [engine, *(each for comparisons in open_places.values() for each in comparisons.values())]


def _compare_engine(comparison: Comparison, said: Truth) -> None:
    assert said.engine is not None  # noqa: S101
    oracle = said.oracle[Kept()]
    engine: dict[Key, object] = {**figures(said.engine.samples), **exact.sums(said.engine.snapshot)}
    comparison.compare(engine, engine, {**figures(oracle.samples), **exact.sums(oracle.snapshot)})


def _compare(  # noqa: PLR0913 - a place, what it said before, and how to go about it
    place: Place,
    *,
    before: Read,
    said: Truth,
    comparisons: dict[Target, Comparison],
    patience: Patience,
    status: StatusLine,
) -> None:
    try:
        late = wait(place, before, said.instant, patience.wait_seconds, status)
        after, lost = read(place), _LOST
    except RequestError as error:
        late, after, lost = [], {}, str(error)
    for target in dict.fromkeys((*comparisons, *before)):
        comparison = comparisons.setdefault(target, Comparison(named(place, target)))
        if target not in before or target not in after:
            comparison.lose(lost)
            continue
        oracle = said.oracle[Kept.of(before[target])].samples
        comparison.compare(lasting(before[target]), lasting(after[target]), lasting(oracle))
        comparison.notes = _notes(after[target], patience, late=target in late)


def _again(place: Place, comparisons: Mapping[Target, Comparison]) -> Read:
    """Return what a place publishes; nothing where that could be read once, and now cannot."""
    try:
        return read(place)
    except RequestError:
        if not comparisons:
            raise
        return {}


def _notes(samples: Mapping[Key, float], patience: Patience, *, late: bool) -> list[str]:
    notes = [
        f"the {ledger} ledger could not be read at the last refresh: its figures are held" for ledger in down(samples)
    ]
    if late:
        notes.append(
            f"there was no refresh within {patience.wait_seconds:g} s: what was booked meanwhile may be missing"
        )
    return notes
