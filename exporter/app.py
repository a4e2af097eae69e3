"""The composition root: opens, wires and closes everything that serves."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import NoReturn

from exporter import config_file
from exporter.config import Config
from exporter.databases.postgresql import Source
from exporter.errors import ConfigError, ExporterError, SourceError, Stopped
from exporter.logs import Troubles
from exporter.publishing.builder import Published
from exporter.publishing.exposition import Format
from exporter.publishing.publisher import Publisher
from exporter.publishing.snapshot import Reference, Reload
from exporter.refresher import Refresher
from exporter.scheduler import Scheduler
from exporter.sums import day_of

log = logging.getLogger(__name__)

_STOP_SECONDS = 0.5
_LOAD_SECONDS = 5.0
"""For how long a ledger is loaded before what is known of it is published."""

_SWITCH_SECONDS = 0.0005
"""How long a refresh may keep the interpreter from a scrape that came; of Python's own 5 ms a scrape would take most."""
_NEVER = 1 << 30


def open_sources(config: Config, environment: Mapping[str, str] | None = None) -> dict[str, Source]:
    """Return a `Source` for each database in the configuration; none connects yet.

    Raises:
        ConfigError: a connection string cannot be used.
    """
    environment = os.environ if environment is None else environment
    sources: dict[str, Source] = {}
    problems: list[str] = []
    for name, source in config.sources.items():
        try:
            sources[name] = Source(
                name, source.conninfo(environment), source.password(environment), config.refresh.timeout
            )
        except (SourceError, ValueError) as error:
            problems.append(f"sources.{name}: {error}")
    if problems:
        raise ConfigError(problems)
    return sources


@contextmanager
def opened_sources(config: Config) -> Iterator[dict[str, Source]]:
    """Open the databases of a configuration for a command, and close them; Ctrl-C ends at once whatever they are asked.

    Raises:
        ConfigError: a connection string cannot be used.
    """
    sources = open_sources(config)

    def interrupt(*_: object) -> NoReturn:
        for source in sources.values():
            source.stop()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield sources
    except Stopped:
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGINT, before)
        for source in sources.values():
            source.close()


class App:
    """The running exporter, without its HTTP server: refreshes by schedule, publishes, reloads."""

    def __init__(self, config_path: Path) -> None:
        """Load the configuration and prepare everything; nothing runs yet.

        Raises:
            ConfigError: the configuration cannot be used.
        """
        self._config_path = config_path
        config = config_file.load(config_path)
        self._sources = open_sources(config)
        self._refresher = Refresher.new(config, self._sources, Reload(success=_now().timestamp()))
        self._publisher = Publisher(self._refresher.empty(), self._refresher.kept.renderer.demand)
        self._pending: tuple[Config, dict[str, Source]] | None = None
        self._loading = threading.Lock()
        self._pass = threading.Lock()
        self._stopping = threading.Event()
        self._collected: int | None = None
        self._troubles = Troubles()
        self.ready = threading.Event()
        self._scheduler = Scheduler(self.run_pass, config.refresh.interval)

    def start(self) -> None:
        """Begin to refresh. Python changes threads more often from now on, and collects all objects only when it is told to."""
        sys.setswitchinterval(_SWITCH_SECONDS)
        young, middle, _ = gc.get_threshold()
        gc.set_threshold(young, middle, _NEVER)
        self._scheduler.start()

    @property
    def published(self) -> Reference[Published]:
        """Return the reference to what scrapes see."""
        return self._publisher.published

    def exposition(self, wanted: Format) -> bytes:
        """Return what is published now in a format, and remember that it is wanted."""
        return self._publisher.exposition(wanted)

    def run_pass(self) -> None:
        """Refresh once and publish; whatever goes wrong is logged, and the next pass is a new chance."""
        with self._pass:
            if self._stopping.is_set():
                return
            try:
                self._adopt_configuration()
                self._refresh_once(again=False)
                self.ready.set()
                self._go_on()
                self._collect_garbage(day_of(_now()))
                self._troubles.end("pass")
            except Stopped:
                return
            except Exception:
                if self._troubles.recur("pass"):
                    log.exception("refresh failed unexpectedly; the last snapshot stays")

    def _refresh_once(self, *, again: bool) -> None:
        started, before = perf_counter(), self.published.get()
        published = self._refresher.run(_now(), again=again)
        self._publisher.publish(published)
        _log_refresh(published, before, perf_counter() - started)

    def _go_on(self) -> None:
        """Use the time until the next pass: load what is not loaded yet, publishing windows when complete; or verify."""
        while self._refresher.is_loading and self._pending is None and not self._stopping.is_set():
            self._refresher.load(_now(), _LOAD_SECONDS)
            self._refresh_once(again=True)
        if not self._refresher.is_loading:
            self._refresher.verify()

    def _collect_garbage(self, day: int) -> None:
        """Collect all objects once a day, which stops everything for 0.1 s or more. Python collects young ones by itself."""
        if day != self._collected:
            gc.collect()
            self._collected = day

    def reload(self) -> None:
        """Load the configuration again; what is published changes when the first pass under it is done.

        Raises:
            ExporterError: the configuration cannot be used; as after any error, the one before stays in force, and a
                metric says so.
        """
        with self._loading:
            try:
                config = config_file.load(self._config_path)
                self._pending = config, open_sources(config)
            except Exception as error:
                self._publisher.reload = Reload(successful=False, success=self._publisher.reload.success)
                self._publisher.publish()
                foreseen = isinstance(error, ExporterError)
                told = "configuration not reloaded; the one before stays"
                log.error(told, extra={"error": str(error)}, exc_info=not foreseen)  # noqa: TRY400
                raise
            self._publisher.reload = Reload(success=_now().timestamp())
        log.info("configuration reloaded", extra={"file": str(self._config_path)})
        self._scheduler.reschedule(config.refresh.interval)

    def _adopt_configuration(self) -> None:
        """Go over to the configuration loaded last. Between passes, so that no reload ever waits for a database."""
        with self._loading:
            pending, self._pending = self._pending, None
            self._refresher.reload = self._publisher.reload
        if pending is None:
            return
        config, sources = pending
        refresher = self._refresher.reloaded(config, sources, self._publisher.reload)
        former, self._sources, self._refresher = self._sources, sources, refresher
        for source in former.values():
            source.close()

    def stop(self) -> bool:
        """End: no pass begins any more, and a running one is interrupted.

        Returns whether the running pass has ended. One that is just connecting cannot be interrupted.
        """
        self._stopping.set()
        self._scheduler.stop()
        for source in self._sources.values():
            source.stop()
        if not self._pass.acquire(timeout=_STOP_SECONDS):
            return False
        for source in self._sources.values():
            source.close()
        self._pass.release()
        return True


def _log_refresh(published: Published, before: Published, seconds: float) -> None:
    """Log a refresh in one line: how long it took, of that reading each ledger, how many rows, and whether it was read."""
    health, earlier = published.snapshot.health, before.snapshot.health
    log.info(
        "refreshed",
        extra={
            "seconds": round(seconds, 4),
            "series": published.exposition.series,
            **{f"{ledger}_up": state.up for ledger, state in health.items()},
            **{f"{ledger}_seconds": round(state.duration_seconds or 0, 4) for ledger, state in health.items()},
            **{f"{ledger}_rows": state.rows_read - earlier[ledger].rows_read for ledger, state in health.items()},
            **{
                f"{ledger}_loaded": round(state.progress, 3)
                for ledger, state in health.items()
                if state.progress is not None and state.progress < 1
            },
        },
    )


def _now() -> datetime:
    return datetime.now(UTC)
