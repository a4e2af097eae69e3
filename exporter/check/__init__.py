"""`ledger-exporter check`: would it work? The configuration, and with `--deep` the databases and what would be published."""
