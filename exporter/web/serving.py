"""Serving: sockets, signals, and what ends with the program."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import ssl
from pathlib import Path
from typing import Any

import uvloop

from exporter.app import App
from exporter.errors import ConfigError
from exporter.logs import Tally, Troubles
from exporter.web import tls
from exporter.web.addresses import listen
from exporter.web.config_file import WebConfigFile
from exporter.web.guard import Guard
from exporter.web.pages import Pages
from exporter.web.server import Server

log = logging.getLogger(__name__)

_GRACE_SECONDS = 1.0


def serve(
    app: App, addresses: list[str], telemetry_path: str, *, lifecycle: bool, web_config: Path | None = None
) -> bool:
    """Serve until SIGTERM or SIGINT; SIGHUP reloads the configuration.

    Returns whether everything has ended; if not, a thread still waits for a database to answer.

    Raises:
        ConfigError: the web configuration cannot be used.
        ExporterError: an address cannot be listened on.
    """
    file = WebConfigFile(web_config) if web_config else None
    sockets = [listen(address) for address in addresses]
    pages = Pages(app, telemetry_path, lifecycle=lifecycle)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(app, pages, file, sockets))


async def _serve(app: App, pages: Pages, file: WebConfigFile | None, sockets: list[socket.socket]) -> bool:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_Unexpected())
    ending = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    loop.add_signal_handler(signal.SIGHUP, lambda: loop.run_in_executor(None, _reload_quietly, app))
    tally = Tally(log)
    guard = Guard(file, pages.answer, tally) if file else None
    server = Server(guard.answer if guard else pages.answer, Entrance(file), tally)
    app.start()
    try:
        for listener in sockets:
            server.listen(listener)
            host, port = listener.getsockname()[:2]
            log.info("listening", extra={"address": f"{host}:{port}", "tls": bool(file and file.encrypted)})
        await ending.wait()
        await server.close(_GRACE_SECONDS)
    finally:
        if guard:
            guard.close()
        tally.flush()
        ended = await asyncio.to_thread(app.stop)
        log.info("ended")
    return ended


class Entrance:
    """Who gets a connection, and how it is encrypted."""

    def __init__(self, file: WebConfigFile | None) -> None:
        self._file = file if file and file.encrypted else None

    def context(self) -> ssl.SSLContext | None:
        """Return the TLS context for a connection made now; None for none.

        Raises:
            ConfigError: the web configuration cannot be used.
        """
        return self._file.context() if self._file else None

    def objection(self, connection: ssl.SSLObject | None) -> str | None:
        """Return why the client of a connection just made is turned away, or None."""
        if self._file is None or connection is None:
            return None
        try:
            allowed = self._file.read().tls_server_config.client_allowed_sans
        except ConfigError:
            return "the web configuration cannot be used"
        return tls.objection(connection, allowed)


def _reload_quietly(app: App) -> None:
    """Reload on a signal, where nobody waits for an answer: the log and a metric have told already."""
    with contextlib.suppress(Exception):
        app.reload()


class _Unexpected:
    """Logs what nobody has handled: the first time, the second, the fourth and so on, by the kind of error."""

    def __init__(self) -> None:
        self._troubles = Troubles()

    def __call__(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if self._troubles.recur(type(error).__name__):
            log.error("unexpected error while serving", extra={"error": context.get("message")}, exc_info=error)
