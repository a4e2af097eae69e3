"""Clients that mean no good, as a process of its own: `python -m tests.support.flood HOST:PORT`, until its standard input ends.

They keep connections without a word, send requests by the byte, ask for much and read nothing, send nonsense and endless
headers, break off in the middle, and all of it again as soon as they are turned away. What they did is printed as JSON.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import sys
from collections import Counter
from collections.abc import Awaitable, Callable

Attack = Callable[[socket.socket], Awaitable[None]]

METRICS = b"GET /metrics HTTP/1.1\r\nHost: me\r\n\r\n"
NUMBERS = {"silent": 150, "trickling": 150, "not_reading": 100, "nonsense": 20, "endless_head": 10, "breaking_off": 20}
"""How many of each kind there are at any time."""


async def silent(client: socket.socket) -> None:
    await _until_closed(client)


async def trickling(client: socket.socket) -> None:
    for byte in METRICS[:-2] + b"Cookie: " + b"x" * 1000:
        await asyncio.get_running_loop().sock_sendall(client, bytes([byte]))
        await asyncio.sleep(0.1)


async def not_reading(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    await asyncio.get_running_loop().sock_sendall(client, METRICS * 50)
    await asyncio.sleep(3600)


async def nonsense(client: socket.socket) -> None:
    await asyncio.get_running_loop().sock_sendall(client, b"\x16\x03\x01 nonsense\r\n\r\n")
    await _until_closed(client)
    await asyncio.sleep(0.05)


async def endless_head(client: socket.socket) -> None:
    await asyncio.get_running_loop().sock_sendall(client, b"GET / HTTP/1.1\r\nCookie: ")
    while True:
        await asyncio.get_running_loop().sock_sendall(client, b"x" * 10_000)
        await asyncio.sleep(0.01)


async def breaking_off(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await asyncio.get_running_loop().sock_sendall(client, METRICS * 20)
    await asyncio.sleep(0.05)


async def _until_closed(client: socket.socket) -> None:
    while await asyncio.get_running_loop().sock_recv(client, 4096):
        pass


async def again_and_again(attack: Attack, address: tuple[str, int], done: Counter[str]) -> None:
    """Attack on one connection after the other."""
    while True:
        client = socket.socket()
        client.setblocking(False)  # noqa: FBT003 - that is how it is called
        try:
            await asyncio.get_running_loop().sock_connect(client, address)
            done[attack.__name__] += 1
            await attack(client)
        except OSError:
            await asyncio.sleep(0.05)
        finally:
            client.close()


async def flood(address: tuple[str, int]) -> Counter[str]:
    """Attack in all ways at once until standard input ends; return how many connections each made."""
    done: Counter[str] = Counter()
    attacks = (silent, trickling, not_reading, nonsense, endless_head, breaking_off)
    tasks = [
        asyncio.create_task(again_and_again(attack, address, done))
        for attack in attacks
        for _ in range(NUMBERS[attack.__name__])
    ]
    await asyncio.to_thread(sys.stdin.read)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return done


if __name__ == "__main__":
    host, port = sys.argv[1].rsplit(":", 1)
    json.dump(asyncio.run(flood((host, int(port)))), sys.stdout)
