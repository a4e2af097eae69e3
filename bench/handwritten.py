"""The exporter many would write by hand in an hour: the six questions as gauges of prometheus_client, every so many seconds.

It stands in the benchmark for that hour's work, and is measured as it is: it asks one question after the other and sets its
gauges as the answers come.
"""

from __future__ import annotations

import signal
import sys
import time
from argparse import ArgumentParser

import psycopg
from prometheus_client import Gauge, start_http_server

from bench.questions import QUESTIONS


def main() -> None:
    """Serve and refresh until SIGTERM."""
    parser = ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--dsn", required=True)
    parser.add_argument("--interval", type=float, required=True, help="seconds of rest between two refreshes")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())

    gauges = {question: Gauge(question.metric, question.name, question.labels) for question in QUESTIONS}
    start_http_server(options.port, addr="127.0.0.1")
    with psycopg.connect(options.dsn, autocommit=True) as connection:
        while True:
            for question, gauge in gauges.items():
                answer = connection.execute(question.sql.encode()).fetchall()
                gauge.clear()
                for *labels, value in answer:
                    gauge.labels(*labels).set(value)
            time.sleep(options.interval)


if __name__ == "__main__":
    main()
