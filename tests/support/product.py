"""The exporter as the tests drive it: a configuration, refreshes at told instants, and what each publishes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import yaml

from exporter import config_file, views
from exporter.databases.postgresql import Source
from exporter.publishing.builder import Published
from exporter.publishing.snapshot import Reload
from exporter.refresher import Refresher
from tests.oracle import Key, Options, key
from tests.support.sizes import tuning

SECONDS = "{:.0f}s"
_SLICE_SECONDS = 1.0


def configuration(shards: Sequence[str], options: Options) -> str:
    """A configuration file for the reference schema in these databases."""
    sources = {f"shard{number}": {"dsn": dsn} for number, dsn in enumerate(shards)}
    ledgers: dict[str, dict[str, Any]] = {
        ledger: {"sources": list(sources), "relation": relation, "columns": {}}
        for ledger, relation in options.relations.items()
    }
    for ledger, column in options.absent:
        ledgers[ledger]["columns"][column] = None
    settings = {
        "sources": sources,
        "ledgers": ledgers,
        "providers": [{"pattern": pattern, "family": family} for pattern, family in options.providers],
        "waste": {
            "min_tokens": options.min_tokens,
            "max_impact": float(options.max_impact),
            "top": options.worst_tasks,
        },
        "efficiency": {"grace": SECONDS.format(options.grace.total_seconds()), "top": options.best_tasks},
        "costly": {"top": options.costly_tasks},
        "limits": {
            "quests": options.quests,
            "models": options.models,
            "providers": options.provider_limit,
            "layers": options.layers,
            "combinations": options.combinations,
        },
        "refresh": {"max_age": SECONDS.format(options.max_age.total_seconds())},
    }
    return yaml.safe_dump(settings)


class Product:
    """An exporter process without its clock and its HTTP."""

    def __init__(self, shards: Sequence[str], options: Options | None = None) -> None:
        settings = config_file.parse(configuration(shards, options or Options()))
        self._sources = {
            name: Source(name, source.conninfo({}), source.password({}), settings.refresh.timeout)
            for name, source in settings.sources.items()
        }
        self._refresh = Refresher.new(settings, self._sources, Reload(), tuning=tuning())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for source in self._sources.values():
            source.close()

    def run(self, now: datetime) -> refresh.Published:
        """Refresh once, until everything is loaded; return what is published."""
        published = self._refresh.run(now)
        while self._refresh.is_loading:
            self._refresh.load(now, _SLICE_SECONDS)
            published = self._refresh.run(now)
        labels = self._refresh.kept.policy.labels
        assert labels is not None
        assert labels.series == published.exposition.series, "labels were decided by another number of series"
        return published

    def refresh(self, now: datetime) -> dict[Key, float]:
        """Refresh once; return every sample that a scrape would then see, and none twice."""
        return samples(self.run(now))


def samples(published: Published) -> dict[Key, float]:
    """Every sample that a scrape would see, and none twice."""
    found: dict[Key, float] = {}
    for family in views.families(published.snapshot):
        for values, number in family.samples.items():
            assert len(values) == len(family.labels), f"{family.name}: {values} are not {family.labels}"
            sample = key(family.name, dict(zip(family.labels, values, strict=True)))
            assert sample not in found, f"{sample} twice"
            found[sample] = number
    return found
