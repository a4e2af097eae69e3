"""`ledger-exporter reconcile`: is every published figure what the ledgers say?"""
