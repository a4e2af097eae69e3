"""Where figures are published: exporters, and the Prometheis that have stored what they scraped."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from exporter.client import Client, with_path
from exporter.errors import RequestError
from exporter.publishing.samples import Key, by_key, of_exposition
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

Read = Mapping[Target, Mapping[Key, float]]


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

    def instants(self) -> Mapping[Target, float]:
        """Return as of when each target's figures are (Unix seconds).

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

    def instants(self) -> Mapping[Target, float]:
        """Scrape it, for the instant of its snapshot."""
        return _instants(self.read())


@dataclass(frozen=True)
class PrometheusPlace:
    """A Prometheus, or what answers as it does; `matchers` choose among the series it has."""

    name: str
    client: Client
    matchers: str = ""

    def read(self) -> Read:
        """Ask for what was scraped last of every metric."""
        return self._ask("|".join(NAMES))

    def instants(self) -> Mapping[Target, float]:
        """Ask for the instant of the snapshot scraped last."""
        return _instants(self._ask(health.SNAPSHOT.name))

    def _ask(self, names: str) -> Read:
        matchers = ",".join(filter(None, [f'__name__=~"{names}"', self.matchers.strip("{} ,")]))
        url = f"{self.name.rstrip('/')}/api/v1/query"
        return of_prometheus(self.client.post(url, {"query": f"{{{matchers}}}"}))


def _instants(read: Read) -> dict[Target, float]:
    found = {target: value_of(samples, health.SNAPSHOT) for target, samples in read.items()}
    return {target: instant for target, instant in found.items() if instant is not None}


def read(place: Place) -> Read:
    """Return what a place publishes; what is not of an exporter that has loaded its ledgers cannot be compared.

    Raises:
        RequestError: it does not answer, nothing of an exporter is there, or that is still loading.
    """
    found = place.read()
    instants = _instants(found)
    if not instants:
        raise RequestError(f"{place.name} has no figures of a ledger-exporter that has read its ledgers")
    for target in instants:
        loaded = min(values_of(found[target], health.PROGRESS).values(), default=1.0)
        if loaded < 1:
            raise RequestError(
                f"{named(place, target)} has loaded {loaded:.0%} of its ledgers: try again when it has all"
            )
    return {target: found[target] for target in instants}


def wait(place: Place, targets: Read, since: float, seconds: float, status: StatusLine) -> list[Target]:
    """Wait until every target's figures are of after an instant, for so many seconds; return those that are not."""
    until = time.monotonic() + seconds
    while True:
        instants = place.instants()
        late = [target for target in targets if instants.get(target, 0.0) < since + _CLOCK_SECONDS]
        if not late or time.monotonic() >= until:
            return late
        status.say(f"Waiting for the next refresh of {named(place, late[0])} ...")
        time.sleep(_POLL_SECONDS)


def named(place: Place, target: Target) -> str:
    """Return what to call a target of a place."""
    return f"{place.name} {{{target}}}" if target else place.name


def down(samples: Samples) -> list[str]:
    """Return the ledgers that could not be read at the last refresh."""
    return sorted(dict(labels)["ledger"] for labels, up in values_of(samples, health.UP).items() if not up)
