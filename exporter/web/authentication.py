"""Passwords: checked once with bcrypt, then known by a keyed hash; guesses are slowed down, those who know it are not."""

from __future__ import annotations

import asyncio
import base64
import binascii
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from math import ceil

import bcrypt
from pydantic import SecretStr

from exporter.web.addresses import neighbourhood

FREE_FAILURES = 5
"""How many wrong passwords an address may send before it has to wait."""
LONGEST_WAIT_SECONDS = 60.0
FORGET_SECONDS = 900.0
"""After how long without a wrong password an address begins anew."""
MAX_CHECKS = 16
"""How many passwords may wait for bcrypt: at the highest cost, a second each, the last still has its answer in time."""

_BUSY_SECONDS = 1
_BCRYPT_BYTES = 72
"""bcrypt reads no further."""

_MAX_ADDRESSES = 10_000
_MAX_VERDICTS = 1_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether credentials are right; where that was not even checked, after how many seconds it may be."""

    right: bool
    wait_seconds: int = 0


RIGHT, WRONG = Verdict(right=True), Verdict(right=False)


@dataclass(slots=True)
class _Failures:
    count: float = 0
    last: float = 0
    until: float = 0


class Patience:
    """How long each address has to wait before its next guess. Bounded: the addresses heard of longest ago are forgotten."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def wait(self, address: str) -> float:
        """Return the seconds an address has to wait now."""
        failures = self._failures.get(neighbourhood(address))
        return max(0.0, failures.until - self._clock()) if failures else 0.0

    def charge(self, address: str) -> None:
        """Count a guess as wrong, before it is checked: many at once gain nothing."""
        key, now = neighbourhood(address), self._clock()
        failures = self._failures.pop(key, None)
        if failures is None or now - failures.last > FORGET_SECONDS:
            failures = _Failures()
        failures.count += 1
        failures.last = now
        if failures.count > FREE_FAILURES:
            failures.until = now + min(2.0 ** min(failures.count - FREE_FAILURES - 1, 30), LONGEST_WAIT_SECONDS)
        self._failures[key] = failures
        if len(self._failures) > _MAX_ADDRESSES:
            self._failures.popitem(last=False)

    def refund(self, address: str) -> None:
        """Take a charge back: the guess was right, or could not be checked."""
        failures = self._failures.get(neighbourhood(address))
        if failures is not None:
            failures.count = max(0, failures.count - 1)
            failures.until = 0


class Authenticator:
    """Checks credentials against users and their hashes, which are given each time, as they are now.

    bcrypt runs in a thread of its own, for one password at a time, in the order in which they come.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._patience = Patience(clock)
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._wrong: OrderedDict[bytes, None] = OrderedDict()
        self._pending: dict[bytes, asyncio.Future[Verdict]] = {}
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bcrypt")

    def close(self) -> None:
        """End: checks that have not begun are given up."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def check(
        self, users: Mapping[str, SecretStr], user: str, password: bytes, address: str
    ) -> Verdict | Awaitable[Verdict]:
        """Return the verdict on credentials; a promise of it, where bcrypt has to be asked.

        What was right once is right at once, whatever else comes from its address. What was wrong once is wrong at once
        and counts as no further guess. `users` is not empty.
        """
        known = user in users
        # Whoever is unknown costs as much time as one of the known.
        expected = (users[user] if known else self._stand_in(users, user)).get_secret_value()
        digest = self._digest(user.encode(), expected.encode() if known else b"", password)
        if digest in self._right:
            self._right.move_to_end(digest)
            return RIGHT
        if digest in self._wrong:
            return WRONG
        pending = self._pending.get(digest)
        if pending is None:
            if wait := self._patience.wait(address):
                return Verdict(right=False, wait_seconds=ceil(wait))
            if len(self._pending) >= MAX_CHECKS:
                return Verdict(right=False, wait_seconds=_BUSY_SECONDS)
            self._patience.charge(address)
            pending = asyncio.ensure_future(self._run(digest, expected, password, address, known=known))
            self._pending[digest] = pending
        return asyncio.shield(pending)

    async def _run(self, digest: bytes, expected: str, password: bytes, address: str, *, known: bool) -> Verdict:
        verdict = None
        try:
            loop = asyncio.get_running_loop()
            matches = await loop.run_in_executor(self._thread, _matches, password, expected.encode())
            verdict = RIGHT if matches and known else WRONG
            self._remember(digest, verdict)
            return verdict
        finally:
            del self._pending[digest]
            if verdict is not WRONG:
                self._patience.refund(address)

    def _remember(self, digest: bytes, verdict: Verdict) -> None:
        verdicts = self._right if verdict.right else self._wrong
        verdicts[digest] = None
        if len(verdicts) > _MAX_VERDICTS:
            verdicts.popitem(last=False)

    def _stand_in(self, users: Mapping[str, SecretStr], user: str) -> SecretStr:
        """Return the hash an unknown user's password is checked against, always the same one for that name."""
        number = int.from_bytes(self._digest(user.encode(), b"", b"")[:8], "big") % len(users)
        return list(users.values())[number]

    def _digest(self, user: bytes, expected: bytes, password: bytes) -> bytes:
        """Return a keyed hash that stands for credentials; nobody can aim at one, so comparing it tells nothing."""
        made = blake2b(b"%d:%d:" % (len(user), len(expected)), key=self._key, digest_size=32)
        made.update(user)
        made.update(expected)
        made.update(password)
        return made.digest()


def _matches(password: bytes, expected: bytes) -> bool:
    try:
        return bcrypt.checkpw(password[:_BCRYPT_BYTES], expected)
    except ValueError:  # nothing that bcrypt could have hashed
        return False


def credentials(authorization: str) -> tuple[str, bytes] | None:
    """Return user and password of an Authorization header; None if it has none."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(token.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return None
    return (user.decode("utf-8", "replace"), password) if colon else None
