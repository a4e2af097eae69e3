"""Where figures are published: exporters, and the Prometheis that have stored what they scraped."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from exporter.client import Client, with_path
from exporter.errors import RequestError
from exporter.publishing.samples import by_key, of_exposition
from exporter.reconcile.figures import (
    NAMES,
    Samples,
    Target,
    of_prometheus,
    value_of,
    values_of,
)
from exporter.terminal import StatusLine
from exporter.views import health

_CLOCK_SECONDS = 1.0
"""How far the exporter's clock may be from ours."""
_POLL_SECONDS = 0.5

Read = Mapping[Target, Samples]


class Place(Protocol):
    """A place where figures are published."""

    @property
    def name(self) -> str:
        """Return its URL."""

    def read(self) -> Read:
        """Return every sample now, by target.

        Raises:
            RequestError: it does not answer as it should.
        """


@dataclass(frozen=True)
class ExporterPlace:
    """A running exporter; `name` is the URL of its metrics."""

    name: str
    client: Client

    @classmethod
    def at(cls, url: str, client: Client) -> ExporterPlace:
        """Return the exporter at a URL; without a path, its metrics are where they are by default."""
        return cls(with_path(url, "/metrics"), client)

    def read(self) -> Read:
        """Scrape it."""
        try:
            return {"": by_key(of_exposition(self.client.get(self.name).decode()))}
        except ValueError as error:
            raise RequestError(f"{self.name} is no page of metrics: {error}") from None


@dataclass(frozen=True)
class PrometheusPlace:
    """A Prometheus, or what answers as it does; `matchers` choose among the series it has."""

    name: str
    client: Client
    matchers: str = ""

    def read(self) -> Read:
        """Ask for what was scraped last of every metric."""
        matchers = ",".join(filter(None, [f'__name__=~"{"|".join(NAMES)}"', self.matchers.strip("{} ,")]))
        url = f"{self.name.rstrip('/')}/api/v1/query"
        return of_prometheus(self.client.post(url, {"query": f"{{{matchers}}}"}))


def read(place: Place) -> Read:
    """Return what a place publishes; what is not of an exporter that has loaded its ledgers cannot be compared.

    Raises:
        RequestError: it does not answer, nothing of an exporter is there, or that is still loading.
    """
    found = {target: samples for target, samples in place.read().items() if value_of(samples, health.SNAPSHOT)}
    if not found:
        raise RequestError(f"{place.name} has no figures of a ledger-exporter that has read its ledgers")
    for target, samples in found.items():
        loaded = min(values_of(samples, health.PROGRESS).values(), default=1.0)
        if loaded < 1:
            raise RequestError(
                f"{named(place, target)} has loaded {loaded:.0%} of its ledgers: try again when it has all"
            )
    return found


@dataclass(frozen=True)
class Again:
    """The second reading of a place: its targets, those that have not refreshed, and why it cannot be read, if so."""

    read: Read
    late: frozenset[Target]
    problem: str = ""


def read_again(place: Place, before: Read, since: float, seconds: float, status: StatusLine) -> Again:
    """Read a place until every target has refreshed after an instant, for at most so many seconds.

    The first reading of a target that is late enough counts, so that it does not move on while others are waited for.
    """
    until, fresh = time.monotonic() + seconds, dict[Target, Samples]()
    while True:
        try:
            found, problem = read(place), ""
        except RequestError as error:
            found, problem = {}, str(error)
        refreshed = {target for target, samples in found.items() if _instant(samples) >= since + _CLOCK_SECONDS}
        fresh.update({target: found[target] for target in refreshed - fresh.keys()})
        late = [target for target in before if target not in fresh]
        if not late or time.monotonic() >= until:
            return Again({**found, **fresh}, frozenset(late), problem)
        status.say(f"Waiting for the next refresh of {named(place, late[0])} ...")
        time.sleep(_POLL_SECONDS)


def _instant(samples: Samples) -> float:
    """Return as of when figures are (Unix seconds), 0 where that is not known."""
    return value_of(samples, health.SNAPSHOT) or 0.0


def named(place: Place, target: Target) -> str:
    """Return what to call a target of a place."""
    return f"{place.name} {{{target}}}" if target else place.name


def down(samples: Samples) -> list[str]:
    """Return the ledgers that could not be read at the last refresh."""
    return sorted(dict(labels)["ledger"] for labels, up in values_of(samples, health.UP).items() if not up)
