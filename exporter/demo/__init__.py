"""A research platform to try the exporter on: a real PostgreSQL, 60 days of history, bookings that keep coming.

`quests` and `models` are the cast, `platform` says what every day brings, `incidents` bends some of it, `history` and `booking`
write it to a database, `stage` and `postgres` run what has to run and leave nothing behind, `command` is the command
`ledger-exporter demo`.
"""
