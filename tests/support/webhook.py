"""A webhook that keeps every notification Alertmanager sends."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Receiver:
    """A webhook: everything Alertmanager has sent, as (receiver, alert)."""

    received: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    address: str = ""

    def take(self, receiver: str, body: bytes) -> None:
        self.received += [(receiver, alert) for alert in json.loads(body)["alerts"]]

    def names(self, status: str) -> set[tuple[str, str, str]]:
        """Receiver, alert and quest or provider of all that was told with a status."""
        return {
            (receiver, labels["alertname"], labels.get("quest") or labels.get("provider", ""))
            for receiver, alert in list(self.received)
            if alert["status"] == status
            for labels in [alert["labels"]]
        }


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Listen for Alertmanager on a free port."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.take(self.path.strip("/"), self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
