"""Addresses: how those to listen on are written, the sockets they become, and which of clients are of one house."""

from __future__ import annotations

import ipaddress
import os
import re
import socket

from exporter.errors import ExporterError

_BACKLOG = 2048
_ADDRESS = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[^:\[\]]*)):(?P<port>\d{1,5})")


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


def neighbourhood(address: str) -> str:
    """Return an IPv4 address as it is, of an IPv6 address the network of 64 bits, which one customer has."""
    if ":" not in address:
        return address
    try:
        parsed = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    return str(parsed.ipv4_mapped or ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64)))
