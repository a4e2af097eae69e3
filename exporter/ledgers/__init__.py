"""The ledgers: the only SQL and the only database driver in the program. One module a ledger, its questions in `sql/`."""
