"""HTTP: ready bytes at the telemetry path, health, reload, and a landing page. A scrape computes nothing."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any

import uvicorn

from exporter import landing
from exporter.app import App
from exporter.errors import ExporterError
from exporter.exposition import GZIP, IDENTITY, OPENMETRICS, TEXT

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_PLAIN = "text/plain; charset=utf-8"
_HTML = "text/html; charset=utf-8"
_GRACE_SECONDS = 1
_BACKLOG = 2048
_ADDRESS = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[^:\[\]]*)):(?P<port>\d{1,5})")


def negotiate(accept: str) -> str:
    """Return the content type of the exposition for an Accept header: the supported one of highest quality, else text."""
    best, chosen = 0.0, TEXT
    for item in accept.split(","):
        media, *parameters = (part.strip().lower() for part in item.split(";"))
        quality = _quality(parameters)
        offered = {"application/openmetrics-text": OPENMETRICS, "text/plain": TEXT}.get(media)
        if offered == OPENMETRICS and not {"version=1.0.0", "version=0.0.1"} & {*parameters, _no_version(parameters)}:
            continue
        if offered is not None and quality > best:
            best, chosen = quality, offered
    return chosen


def _no_version(parameters: list[str]) -> str:
    return "" if any(parameter.startswith("version=") for parameter in parameters) else "version=1.0.0"


def accepts_gzip(accept_encoding: str) -> bool:
    """Tell whether an Accept-Encoding header allows gzip; what it says of gzip itself goes before `*` (RFC 9110, 12.5.3)."""
    qualities: dict[str, float] = {}
    for item in accept_encoding.split(","):
        coding, *parameters = (part.strip().lower() for part in item.split(";"))
        qualities[coding] = _quality(parameters)
    return qualities.get("gzip", qualities.get("*", 0)) > 0


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0


class Web:
    """The ASGI application."""

    def __init__(self, app: App, telemetry_path: str, *, lifecycle: bool) -> None:
        """`lifecycle` allows `POST /-/reload`."""
        self._app = app
        self._telemetry_path = telemetry_path
        self._lifecycle = lifecycle
        self._routes = {
            telemetry_path: self._metrics,
            "/-/healthy": self._healthy,
            "/-/ready": self._ready,
            "/": self._landing,
        }

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        path, method = scope["path"], scope["method"]
        if path == "/-/reload":
            await self._reload(scope, send)
        elif (answer := self._routes.get(path)) is None:
            await respond(scope, send, 404, _PLAIN, b"404 page not found\n")
        elif method not in {"GET", "HEAD"}:
            await respond(scope, send, 405, _PLAIN, b"405 method not allowed\n", [(b"allow", b"GET, HEAD")])
        else:
            await answer(scope, send)

    async def _metrics(self, scope: Scope, send: Send) -> None:
        headers = dict(scope["headers"])
        content_type = negotiate(headers.get(b"accept", b"").decode("latin-1"))
        encoding = GZIP if accepts_gzip(headers.get(b"accept-encoding", b"").decode("latin-1")) else IDENTITY
        body = self._app.exposition((content_type, encoding))
        further = [(b"vary", b"Accept, Accept-Encoding")]
        if encoding == GZIP:
            further.append((b"content-encoding", b"gzip"))
        await respond(scope, send, 200, content_type, body, further)

    async def _healthy(self, scope: Scope, send: Send) -> None:
        await respond(scope, send, 200, _PLAIN, b"ledger-exporter is healthy\n")

    async def _ready(self, scope: Scope, send: Send) -> None:
        if self._app.ready.is_set():
            await respond(scope, send, 200, _PLAIN, b"ledger-exporter is ready\n")
        else:
            await respond(scope, send, 503, _PLAIN, b"the first refresh is not done yet\n")

    async def _landing(self, scope: Scope, send: Send) -> None:
        page = landing.page(self._app.published.get(), self._telemetry_path)
        await respond(scope, send, 200, _HTML, page.encode(), [(b"content-security-policy", landing.POLICY.encode())])

    async def _reload(self, scope: Scope, send: Send) -> None:
        if not self._lifecycle:
            message = b"reloading over HTTP is off; start with --web.enable-lifecycle, or send SIGHUP\n"
            await respond(scope, send, 403, _PLAIN, message)
        elif scope["method"] not in {"POST", "PUT"}:
            await respond(scope, send, 405, _PLAIN, b"405 method not allowed\n", [(b"allow", b"POST, PUT")])
        else:
            try:
                await asyncio.to_thread(self._app.reload)
            except ExporterError as error:
                await respond(scope, send, 500, _PLAIN, f"configuration not reloaded:\n{error}\n".encode())
            else:
                await respond(scope, send, 200, _PLAIN, b"configuration reloaded\n")


async def respond(  # noqa: PLR0913, PLR0917 - a response has these parts
    scope: Scope,
    send: Send,
    status: int,
    content_type: str,
    body: bytes,
    further: list[tuple[bytes, bytes]] | None = None,
) -> None:
    """Send a whole response; to HEAD the same without its body."""
    headers = [
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"x-content-type-options", b"nosniff"),
        *(further or []),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


class _Server(uvicorn.Server):
    """uvicorn, ended by `should_exit` alone: which signals end the program, and its exit code, is decided here."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def parse_address(address: str) -> tuple[str, int]:
    """Return host and port of `host:port`, `[v6]:port` or `:port` (every interface).

    Raises:
        ExporterError: the address is none of these.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None or int(match["port"]) > 65535:
        raise ExporterError(f"listen address {address!r}: must be host:port, [ipv6]:port or :port")
    return match["v6"] or match["host"] or "", int(match["port"])


def listen(address: str) -> socket.socket:
    """Return a socket listening on an address.

    Raises:
        ExporterError: the address cannot be used: malformed, taken, or not this machine's.
    """
    host, port = parse_address(address)
    try:
        if not host and socket.has_dualstack_ipv6():
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=_BACKLOG)
        family = socket.getaddrinfo(host or "0.0.0.0", port, type=socket.SOCK_STREAM)[0][0]  # noqa: S104 - asked for
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        raise ExporterError(f"cannot listen on {address}: {reason}") from None


def serve(app: App, addresses: list[str], telemetry_path: str, *, lifecycle: bool) -> bool:
    """Serve until SIGTERM or SIGINT; SIGHUP reloads the configuration.

    Returns whether everything has ended; if not, a thread still waits for a database to answer.

    Raises:
        ExporterError: an address cannot be listened on.
    """
    sockets = [listen(address) for address in addresses]
    web = Web(app, telemetry_path, lifecycle=lifecycle)
    server = _Server(
        uvicorn.Config(
            web,
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
    )
    with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
        return runner.run(_serve(server, app, sockets))


async def _serve(server: uvicorn.Server, app: App, sockets: list[socket.socket]) -> bool:
    loop = asyncio.get_running_loop()

    def end() -> None:
        server.should_exit = True

    def reload() -> None:
        loop.run_in_executor(None, _reload_quietly, app)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    loop.add_signal_handler(signal.SIGHUP, reload)
    app.start()
    try:
        for listener in sockets:
            host, port = listener.getsockname()[:2]
            log.info("listening", extra={"address": f"{host}:{port}"})
        await server.serve(sockets)
    finally:
        ended = await asyncio.to_thread(app.stop)
        log.info("ended")
    return ended


def _reload_quietly(app: App) -> None:
    """Reload on a signal, where nobody waits for an answer: the log and a metric have told already."""
    with contextlib.suppress(ExporterError):
        app.reload()
