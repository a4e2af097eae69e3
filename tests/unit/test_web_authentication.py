"""Passwords: right ones pass and are remembered, guesses are slowed down, and neither costs the other anything."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from exporter.web import authentication
from exporter.web.authentication import (
    FORGET_SECONDS,
    FREE_FAILURES,
    LONGEST_WAIT_SECONDS,
    MAX_CHECKS,
    RIGHT,
    WRONG,
    Authenticator,
    Patience,
    Verdict,
    credentials,
)


def hashed(password: bytes, cost: int = 4) -> SecretStr:
    return SecretStr(bcrypt.hashpw(password, bcrypt.gensalt(cost)).decode())


USERS = {"alice": hashed(b"a"), "bob": hashed(b"b")}
HERE, THERE = "192.0.2.1", "192.0.2.2"


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Counted:
    """How often bcrypt was asked, and how much of its work each time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.costs: list[int] = []
        original = bcrypt.checkpw

        def checkpw(password: bytes, expected: bytes) -> bool:
            self.costs.append(int(expected.split(b"$")[2]))
            return original(password, expected)

        monkeypatch.setattr(authentication.bcrypt, "checkpw", checkpw)

    @property
    def times(self) -> int:
        """How often."""
        return len(self.costs)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bcrypted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(monkeypatch)


class Desk:
    """An authenticator, and its answers awaited."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.authenticator = Authenticator(clock)

    async def ask(
        self, user: str, password: bytes, address: str = HERE, users: dict[str, SecretStr] = USERS
    ) -> Verdict:
        found = self.authenticator.check(users, user, password, address)
        return found if isinstance(found, Verdict) else await found


def test_right_is_right_and_wrong_is_wrong(clock: Clock) -> None:
    async def scenario() -> list[Verdict]:
        desk = Desk(clock)
        return [
            await desk.ask(*asked)
            for asked in (("alice", b"a"), ("bob", b"b"), ("alice", b"b"), ("eve", b"a"), ("eve", b"b"), ("", b""))
        ]

    assert asyncio.run(scenario()) == [RIGHT, RIGHT, WRONG, WRONG, WRONG, WRONG]


def test_what_was_checked_is_known_at_once(clock: Clock, bcrypted: Counted) -> None:
    async def scenario() -> None:
        desk = Desk(clock)
        await desk.ask("alice", b"a")
        await desk.ask("alice", b"x")
        for _ in range(1000):
            assert desk.authenticator.check(USERS, "alice", b"a", HERE) is RIGHT
            assert desk.authenticator.check(USERS, "alice", b"x", HERE) is WRONG

    asyncio.run(scenario())
    assert bcrypted.times == 2


def test_a_changed_hash_is_checked_anew(clock: Clock) -> None:
    async def scenario() -> list[Verdict]:
        desk = Desk(clock)
        changed = {"alice": hashed(b"new")}
        first = await desk.ask("alice", b"a")
        return [first, await desk.ask("alice", b"a", users=changed), await desk.ask("alice", b"new", users=changed)]

    assert asyncio.run(scenario()) == [RIGHT, WRONG, RIGHT]


def test_a_removed_user_is_wrong_and_an_added_one_right(clock: Clock) -> None:
    async def scenario() -> list[Verdict]:
        desk = Desk(clock)
        others = {"bob": USERS["alice"]}
        return [
            await desk.ask("alice", b"a"), await desk.ask("alice", b"a", users=others),
            await desk.ask("carol", b"a", users=others), await desk.ask("carol", b"a", users={"carol": USERS["alice"]}),
        ]  # fmt: skip

    assert asyncio.run(scenario()) == [RIGHT, WRONG, WRONG, RIGHT]


def test_many_with_the_same_password_are_checked_once(clock: Clock, bcrypted: Counted) -> None:
    async def scenario() -> list[Verdict]:
        desk = Desk(clock)
        return await asyncio.gather(*[desk.ask("alice", b"a", f"192.0.2.{number}") for number in range(200)])

    assert set(asyncio.run(scenario())) == {RIGHT}
    assert bcrypted.times == 1


@pytest.mark.parametrize("password", [b"x" * 100, b"a\0b", b"\xff\xfe", b"", "pässwörd".encode(), b"x" * 60_000])
def test_any_password_can_be_asked(clock: Clock, password: bytes) -> None:
    """Of a long one bcrypt reads 72 bytes; a tool that made a hash of a longer password read as many."""
    long = {"alice": hashed(b"x" * 72)}

    async def scenario() -> Verdict:
        return await Desk(clock).ask("alice", password, users=long)

    assert asyncio.run(scenario()) == (RIGHT if password.startswith(b"x" * 72) else WRONG)


def test_unknown_users_take_as_long_as_known_ones(clock: Clock, bcrypted: Counted) -> None:
    """One check each, of the same work: that is all the time there is to measure."""
    slow = {name: hashed(name.encode(), 8) for name in ("alice", "bob")}

    async def scenario() -> list[Verdict]:
        desk = Desk(clock)
        return [await desk.ask(user, b"x", f"{user}'s", slow) for user in ("alice", "nobody", "", "alice ")]

    assert asyncio.run(scenario()) == [WRONG] * 4
    assert bcrypted.costs == [8] * 4


class TestGuessing:
    def test_guesses_are_few(self, clock: Clock, bcrypted: Counted) -> None:
        """An hour of guesses as fast as they are answered: about one a minute is checked."""

        async def scenario() -> None:
            desk = Desk(clock)
            for number in range(36_000):
                verdict = await desk.ask("alice", b"guess %d" % number)
                assert not verdict.right
                clock.now += 0.1

        asyncio.run(scenario())
        assert bcrypted.times < FREE_FAILURES + 6 + 3600 / LONGEST_WAIT_SECONDS + 2

    def test_many_at_once_gain_nothing(self, clock: Clock, bcrypted: Counted) -> None:
        async def scenario() -> None:
            desk = Desk(clock)
            await asyncio.gather(*[desk.ask("alice", b"guess %d" % number) for number in range(1000)])

        asyncio.run(scenario())
        assert bcrypted.times == FREE_FAILURES + 1

    def test_who_knows_the_password_is_not_slowed_down(self, clock: Clock) -> None:
        async def scenario() -> None:
            desk = Desk(clock)
            await desk.ask("alice", b"a")
            for number in range(20):
                await desk.ask("alice", b"guess %d" % number)
            assert (await desk.ask("bob", b"b")).wait_seconds
            assert desk.authenticator.check(USERS, "alice", b"a", HERE) is RIGHT
            assert await desk.ask("bob", b"b", THERE) == RIGHT

        asyncio.run(scenario())

    def test_a_right_password_is_no_failure(self, clock: Clock, bcrypted: Counted) -> None:
        many = {f"user{number}": USERS["alice"] for number in range(50)}

        async def scenario() -> set[Verdict]:
            desk = Desk(clock)
            return {await desk.ask(user, b"a", users=many) for user in many}

        assert asyncio.run(scenario()) == {RIGHT}
        assert bcrypted.times == 50

    def test_checks_that_wait_are_bounded(self, clock: Clock, bcrypted: Counted) -> None:
        async def scenario() -> list[Verdict]:
            desk = Desk(clock)
            return await asyncio.gather(
                *[desk.ask("eve", b"%d" % number, f"198.51.100.{number}") for number in range(200)]
            )

        verdicts = asyncio.run(scenario())
        assert bcrypted.times == MAX_CHECKS
        assert verdicts.count(Verdict(right=False, wait_seconds=1)) == 200 - MAX_CHECKS

    def test_a_client_gets_in_beside_guesses_of_one_address(self, clock: Clock) -> None:
        """Though nobody has been right yet, as after a restart."""

        async def scenario() -> Verdict:
            desk = Desk(clock)
            guesses = [asyncio.ensure_future(desk.ask("alice", b"guess %d" % number, THERE)) for number in range(100)]
            await asyncio.sleep(0)
            found = await desk.ask("alice", b"a")
            await asyncio.gather(*guesses)
            return found

        assert asyncio.run(scenario()) == RIGHT

    def test_what_was_not_checked_counts_as_no_guess(self, clock: Clock) -> None:
        async def scenario() -> list[Verdict]:
            desk = Desk(clock)
            crowd = [
                asyncio.ensure_future(desk.ask("eve", b"%d" % number, f"198.51.100.{number}"))
                for number in range(MAX_CHECKS)
            ]
            await asyncio.sleep(0)
            for number in range(2 * FREE_FAILURES):
                assert await desk.ask("alice", b"%d" % number) == Verdict(right=False, wait_seconds=1)
            await asyncio.gather(*crowd)
            return [await desk.ask("alice", b"again %d" % number) for number in range(FREE_FAILURES)]

        assert asyncio.run(scenario()) == [WRONG] * FREE_FAILURES

    def test_a_check_that_fails_stops_no_other(self, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        """For want of memory, say."""
        original = bcrypt.checkpw

        def checkpw(password: bytes, expected: bytes) -> bool:
            if password == b"x":
                raise MemoryError
            return original(password, expected)

        monkeypatch.setattr(authentication.bcrypt, "checkpw", checkpw)

        async def scenario() -> list[Verdict | BaseException]:
            desk = Desk(clock)
            asked = [desk.ask("alice", b"x"), desk.ask("alice", b"a"), desk.ask("alice", b"x", THERE)]
            return await asyncio.gather(*asked, return_exceptions=True)

        first, second, third = asyncio.run(scenario())
        assert (type(first), second, type(third)) == (MemoryError, RIGHT, MemoryError)

    def test_the_wait_is_told(self, clock: Clock) -> None:
        async def scenario() -> list[int]:
            desk, waits = Desk(clock), []
            for number in range(FREE_FAILURES + 8):
                await desk.ask("alice", b"guess %d" % number)
                waits.append((await desk.ask("alice", b"impatient %d" % number)).wait_seconds)
                clock.now += waits[-1]
            return waits

        waits = asyncio.run(scenario())
        assert max(waits) == LONGEST_WAIT_SECONDS


class TestPatience:
    def test_it_grows_ends_and_is_forgotten(self, clock: Clock) -> None:
        patience, waits = Patience(clock), []
        for _ in range(FREE_FAILURES + 9):
            patience.charge(HERE)
            waits.append(patience.wait(HERE))
        clock.now += FORGET_SECONDS + 1
        patience.charge(HERE)

        assert waits == [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]
        assert patience.wait(HERE) == 0

    def test_addresses_are_apart_and_networks_together(self, clock: Clock) -> None:
        patience = Patience(clock)
        for number in range(FREE_FAILURES + 1):
            patience.charge(f"2001:db8::{number}")
            patience.charge("::ffff:192.0.2.1")

        assert patience.wait("2001:db8::ffff") > 0
        assert patience.wait("2001:db8:0:1::1") == 0
        assert patience.wait("192.0.2.1") > 0
        assert patience.wait("192.0.2.2") == 0
        assert patience.wait("fe80::1%eth0") == 0

    def test_it_remembers_so_many_addresses(self, clock: Clock) -> None:
        patience = Patience(clock)
        for number in range(30_000):
            patience.charge(f"10.0.{number >> 8}.{number & 255}")

        assert len(patience._failures) == 10_000  # noqa: SLF001 - its memory is what is bounded


def basic(text: bytes) -> str:
    return f"Basic {base64.b64encode(text).decode()}"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (basic(b"alice:a"), ("alice", b"a")), (basic(b"alice:a:b"), ("alice", b"a:b")), (basic(b":"), ("", b"")),
        (basic("é:é".encode()).replace("Basic", "bAsIc "), ("é", "é".encode())), (basic(b"\xff:\xff"), ("\ufffd", b"\xff")),
        ("", None), ("Basic", None), ("Basic x", None), ("Basic ÿ", None), (basic(b"alice"), None), ("Bearer abc", None),
        (f"{basic(b'a:a')}, {basic(b'b:b')}", None),
    ],
)  # fmt: skip
def test_credentials_are_read_as_browsers_write_them(header: str, expected: tuple[str, bytes] | None) -> None:
    assert credentials(header) == expected


@given(st.text(st.characters(max_codepoint=255), max_size=60) | st.binary(max_size=60).map(basic))
def test_any_header_is_credentials_or_none(header: str) -> None:
    found = credentials(header)

    assert found is None or isinstance(found[0], str)
