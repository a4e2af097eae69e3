"""The pages: ready bytes at the telemetry path, health, reload, and a landing page. A scrape computes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from exporter import landing
from exporter.app import App
from exporter.errors import ExporterError
from exporter.publishing.exposition import GZIP
from exporter.web.messages import HTML, Request, Response, plain
from exporter.web.negotiation import wanted

RELOAD_PATH = "/-/reload"
OWN_PATHS = frozenset({"/", "/-/healthy", "/-/ready", RELOAD_PATH})
"""Paths that the telemetry path cannot be."""

_NOT_FOUND = plain(404, "404 page not found")
_NOT_ALLOWED = "405 method not allowed"
_HEALTHY = plain(200, "ledger-exporter is healthy")
_READY = plain(200, "ledger-exporter is ready")
_NOT_READY = plain(503, "the first refresh is not done yet")
_RELOADED = plain(200, "configuration reloaded")
_RELOADING_IS_OFF = plain(403, "reloading over HTTP is off; start with --web.enable-lifecycle, or send SIGHUP")
_VARY = ("Vary", "Accept, Accept-Encoding")
_GZIPPED = ("Content-Encoding", "gzip")


class Pages:
    """Answers each request for a page of the exporter."""

    def __init__(self, app: App, telemetry_path: str, *, lifecycle: bool) -> None:
        """`lifecycle` allows `POST /-/reload`."""
        self._app = app
        self._telemetry_path = telemetry_path
        self._lifecycle = lifecycle
        self._pages = {
            telemetry_path: self._metrics,
            "/-/healthy": lambda _: _HEALTHY,
            "/-/ready": self._ready,
            "/": self._landing,
        }

    def answer(self, request: Request) -> Response | Awaitable[Response]:
        """Return the response, or, for what takes long, a promise of it."""
        if (page := self._pages.get(request.path)) is None:
            return self._reload(request) if request.path == RELOAD_PATH else _NOT_FOUND
        if request.method not in {"GET", "HEAD"}:
            return plain(405, _NOT_ALLOWED, ("Allow", "GET, HEAD"))
        return page(request)

    def _metrics(self, request: Request) -> Response:
        content_type, encoding = wanted(request.headers.get("accept", ""), request.headers.get("accept-encoding", ""))
        body = self._app.exposition((content_type, encoding))
        return Response(200, content_type, body, (_VARY, _GZIPPED) if encoding == GZIP else (_VARY,))

    def _ready(self, _request: Request) -> Response:
        return _READY if self._app.ready.is_set() else _NOT_READY

    def _landing(self, _request: Request) -> Response:
        page = landing.page(self._app.published.get(), self._telemetry_path)
        return Response(200, HTML, page.encode(), (("Content-Security-Policy", landing.POLICY),))

    def _reload(self, request: Request) -> Response | Awaitable[Response]:
        if not self._lifecycle:
            return _RELOADING_IS_OFF
        if request.method not in {"POST", "PUT"}:
            return plain(405, _NOT_ALLOWED, ("Allow", "POST, PUT"))
        return self._reloaded()

    async def _reloaded(self) -> Response:
        try:
            await asyncio.to_thread(self._app.reload)
        except ExporterError as error:
            return plain(500, f"configuration not reloaded:\n{error}")
        return _RELOADED
