"""The guard: what the web configuration demands is demanded of each request, at once, and of everyone."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Awaitable
from pathlib import Path

import bcrypt
import pytest

from exporter.logs import Tally
from exporter.web.config import RateLimit
from exporter.web.config_file import WebConfigFile
from exporter.web.guard import Bucket, Guard
from exporter.web.messages import Request, Response, plain

HASH = bcrypt.hashpw(b"open sesame", bcrypt.gensalt(4)).decode()


class Clock:
    """A clock that a test turns."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Guarded:
    """A guard before pages that say their path, and a file that may change."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "web.yml"
        self.clock = Clock()
        self.asked: list[str] = []

    def open(self, text: str) -> None:
        self.file.write_text(text)
        self.guard = Guard(WebConfigFile(self.file), self._page, Tally(logging.getLogger("test")), self.clock)

    def _page(self, request: Request) -> Response | Awaitable[Response]:
        self.asked.append(request.path)
        return (
            self._later(request) if request.path == "/later" else plain(200, request.path, ("X-Frame-Options", "mine"))
        )

    async def _later(self, request: Request) -> Response:
        return plain(200, request.path)

    def ask(self, path: str = "/", password: str | None = None, address: str = "192.0.2.1") -> Response:
        async def ask() -> Response:
            token = base64.b64encode(f"user:{password}".encode()).decode()
            headers = {} if password is None else {"authorization": f"Basic {token}"}
            answer = self.guard.answer(Request("GET", path, headers, address))
            return answer if isinstance(answer, Response) else await answer

        return asyncio.run(ask())


@pytest.fixture
def guarded(tmp_path: Path) -> Guarded:
    return Guarded(tmp_path)


def test_without_demands_everyone_is_served(guarded: Guarded) -> None:
    guarded.open("")

    assert [guarded.ask(path).status for path in ("/", "/later")] == [200, 200]


@pytest.mark.parametrize("path", ["/", "/later"])
def test_only_who_knows_the_password_is_served(guarded: Guarded, path: str) -> None:
    guarded.open(f"basic_auth_users: {{user: '{HASH}'}}")
    statuses = [guarded.ask(path, password).status for password in (None, "", "guess", "open sesame", "open sesame")]

    assert statuses == [401, 401, 401, 200, 200]
    assert guarded.asked == [path, path]


def test_who_guesses_is_told_to_wait(guarded: Guarded) -> None:
    guarded.open(f"basic_auth_users: {{user: '{HASH}'}}")
    answers = [guarded.ask(password=f"guess {number}") for number in range(7)]

    assert [answer.status for answer in answers] == [401] * 6 + [429]
    assert dict(answers[-1].headers)["Retry-After"] == "1"
    guarded.clock.now += 1
    assert guarded.ask(password="open sesame").status == 200  # noqa: S106 - a test's


@pytest.mark.parametrize("path", ["/", "/later"])
def test_headers_replace_those_of_the_page(guarded: Guarded, path: str) -> None:
    guarded.open("http_server_config: {headers: {X-Frame-Options: deny, Strict-Transport-Security: max-age=1}}")

    assert dict(guarded.ask(path).headers) == {"X-Frame-Options": "deny", "Strict-Transport-Security": "max-age=1"}


def test_the_file_is_obeyed_as_it_is_now(guarded: Guarded) -> None:
    guarded.open("")
    statuses = [guarded.ask().status]
    for text in (f"basic_auth_users: {{user: '{HASH}'}}", "basic_auth_users: [", "{}"):
        guarded.file.write_text(text)
        statuses.append(guarded.ask().status)

    assert statuses == [200, 401, 500, 200]


def test_a_limit_is_for_everyone_together(guarded: Guarded) -> None:
    guarded.open("rate_limit: {interval: 10s, burst: 2}")
    statuses = [guarded.ask(address=f"192.0.2.{number}").status for number in range(4)]
    guarded.clock.now += 10
    statuses += [guarded.ask().status, guarded.ask().status]

    assert statuses == [200, 200, 429, 429, 200, 429]


def test_a_bucket_holds_no_more_than_a_burst() -> None:
    clock = Clock()
    bucket = Bucket(RateLimit.model_validate({"interval": "1s", "burst": 3}), clock)
    clock.now += 1000

    assert [bucket.take() for _ in range(5)] == [True, True, True, False, False]
