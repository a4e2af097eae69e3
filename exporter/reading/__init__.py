"""Reading ledgers: one reader for each database, which hands on readings and keeps its troubles to itself."""
