"""Databases: a connection, read-only transactions on it, and errors in the program's terms."""
