-- The rows of the ledger that meet a condition: a part of state.sql.
{rows}
