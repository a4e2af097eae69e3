"""`ledger-exporter report`: the five views in the terminal."""
