"""Fixtures of the integration tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import postgres
from tests.support.bookings import Books
from tests.support.sizes import small


@pytest.fixture
def books(server: postgres.Server) -> Iterator[Books]:
    """The ledgers of the reference schema, empty; the engine is small."""
    name = server.create_database()
    with small(), Books(server.dsn(name)) as found:
        yield found
    server.drop_database(name)
