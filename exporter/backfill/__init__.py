"""`ledger-exporter backfill`: what would have been scraped before there was an exporter, told from the ledgers."""
