"""The incremental refresh: a ledger is read range by range, and a refresh costs what is new."""
