"""The guard before the pages: as many requests as are allowed, by those who may ask, with the headers wanted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from math import ceil
from time import monotonic

from exporter.errors import ConfigError
from exporter.logs import Tally
from exporter.web.authentication import Authenticator, Verdict, credentials
from exporter.web.config import RateLimit, WebConfig
from exporter.web.config_file import WebConfigFile
from exporter.web.messages import Answer, Request, Response, plain

_CHALLENGE = ("WWW-Authenticate", 'Basic realm="ledger-exporter", charset="UTF-8"')
_UNUSABLE = plain(500, "500 internal server error")
_UNAUTHORIZED = plain(401, "401 unauthorized", _CHALLENGE)


class Bucket:
    """Lets a burst of requests through, then one each interval."""

    def __init__(self, limit: RateLimit, clock: Callable[[], float]) -> None:
        self.limit = limit
        self._clock = clock
        self._tokens = float(max(limit.burst, 1))
        self._filled = clock()

    def take(self) -> bool:
        """Tell whether one more request may pass now."""
        seconds = self.limit.interval.total_seconds()
        if not seconds:
            return True
        now = self._clock()
        self._tokens = min(float(max(self.limit.burst, 1)), self._tokens + (now - self._filled) / seconds)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Guard:
    """Answers as the web configuration demands, which is read anew for each request."""

    def __init__(
        self, file: WebConfigFile, pages: Answer, tally: Tally, clock: Callable[[], float] = monotonic
    ) -> None:
        self._file = file
        self._tally = tally
        self._pages = pages
        self._clock = clock
        self._authenticator = Authenticator(clock)
        self._bucket = Bucket(RateLimit(), clock)

    def close(self) -> None:
        """End."""
        self._authenticator.close()

    def answer(self, request: Request) -> Response | Awaitable[Response]:
        """Return what the pages answer, or why the client gets no page."""
        try:
            config = self._file.read()
        except ConfigError:
            return _UNUSABLE
        answer = self._guarded(config, request)
        headers = config.http_server_config.headers
        if not headers:
            return answer
        return answer.with_headers(headers) if isinstance(answer, Response) else _dressed(answer, headers)

    def _guarded(self, config: WebConfig, request: Request) -> Response | Awaitable[Response]:
        if config.rate_limit != self._bucket.limit:
            self._bucket = Bucket(config.rate_limit, self._clock)
        if not self._bucket.take():
            return _later(config.rate_limit.interval.total_seconds())
        if not config.basic_auth_users:
            return self._pages(request)
        given = credentials(request.headers.get("authorization", ""))
        if given is None:
            return _UNAUTHORIZED
        verdict = self._authenticator.check(config.basic_auth_users, *given, request.address)
        if isinstance(verdict, Verdict):
            return self._judged(verdict, request)
        return self._promised(verdict, request)

    async def _promised(self, promise: Awaitable[Verdict], request: Request) -> Response:
        answer = self._judged(await promise, request)
        return answer if isinstance(answer, Response) else await answer

    def _judged(self, verdict: Verdict, request: Request) -> Response | Awaitable[Response]:
        if verdict.right:
            return self._pages(request)
        # Not the user's name: people type passwords there.
        self._tally.note("authentication failed", address=request.address)
        return _later(verdict.wait_seconds) if verdict.wait_seconds else _UNAUTHORIZED


async def _dressed(answer: Awaitable[Response], headers: Mapping[str, str]) -> Response:
    return (await answer).with_headers(headers)


def _later(seconds: float) -> Response:
    return plain(429, "429 too many requests", ("Retry-After", str(max(1, ceil(seconds)))))
