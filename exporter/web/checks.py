"""Passwords that wait to be compared with their hashes: one at a time, and first those of who has guessed least."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import bcrypt

MAX_WAITING = 16
"""How many may wait. Even at the highest cost, about a second each, all are checked before their answers are overdue."""

_BCRYPT_BYTES = 72
"""bcrypt reads no further."""


@dataclass(eq=False, slots=True)
class _Check:
    password: bytes
    expected: bytes
    address: str
    matches: asyncio.Future[bool | None]


class Checks:
    """Compares in a thread of its own. When too many wait, the last in the order of turns is given up.

    Of equals the last to come is the next: whoever has waited long may have gone. So guesses, however many, keep a client
    waiting that makes none for no longer than one check takes, unless each of them is as young and from a place as innocent.
    """

    def __init__(self, guesses: Callable[[str], float]) -> None:
        """`guesses` tells how often an address has guessed lately, what waits included."""
        self._guesses = guesses
        self._waiting: list[_Check] = []
        self._work: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bcrypt")

    def close(self) -> None:
        """End: checks that have not begun are given up."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def matches(self, password: bytes, expected: str, address: str) -> bool | None:
        """Return whether a password is the one that was hashed; None if it was given up."""
        check = _Check(password, expected.encode(), address, asyncio.get_running_loop().create_future())
        self._waiting.append(check)
        if len(self._waiting) > MAX_WAITING:
            last = max(self._waiting, key=self._turn)  # of equals the first to come
            self._waiting.remove(last)
            last.matches.set_result(None)
        if self._work is None or self._work.done():
            self._work = asyncio.ensure_future(self._check_all())
        return await check.matches

    async def _check_all(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            check = min(reversed(self._waiting), key=self._turn)  # of equals the last to come
            self._waiting.remove(check)
            try:
                check.matches.set_result(
                    await loop.run_in_executor(self._thread, _matches, check.password, check.expected)
                )
            except Exception as error:  # noqa: BLE001 - whoever asked is told
                check.matches.set_exception(error)

    def _turn(self, check: _Check) -> float:
        return self._guesses(check.address)


def _matches(password: bytes, expected: bytes) -> bool:
    try:
        return bcrypt.checkpw(password[:_BCRYPT_BYTES], expected)
    except ValueError:  # nothing that bcrypt could have hashed
        return False
