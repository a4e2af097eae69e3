"""Requests to a database of time series, tried again while it is overloaded or away."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from exporter.client import Client
from exporter.errors import RequestError

_PAUSES_SECONDS = (0.5, 1, 2, 4, 8, 16)

REMOTE_WRITE_HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}


class Receiver:
    """A URL that takes requests by POST."""

    def __init__(
        self, client: Client, url: str, headers: Mapping[str, str], pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._client = client
        self._url = url
        self._headers = headers
        self._pause = pause

    def send(self, body: bytes) -> None:
        """Send a request, again after a while where that may help.

        Raises:
            RequestError: it was refused, cannot be sent, or was not taken however often it was tried.
        """
        for seconds in (*_PAUSES_SECONDS, None):
            try:
                self._client.send(self._url, body, self._headers)
            except RequestError as error:
                if seconds is None or not error.may_pass:
                    raise
                self._pause(seconds)
            else:
                return
