"""ledger-exporter: where an AI platform's money goes, and what it gets for it, as Prometheus metrics."""

__version__ = "0.1.0"
