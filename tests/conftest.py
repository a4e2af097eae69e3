"""Fixtures for every test: real PostgreSQL servers, a fresh database each time. What is said here of tests holds for all."""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings

# Helpers say what they saw, as tests do. They have to be named before the first of them is imported.
pytest.register_assert_rewrite("tests.support")

from tests.support import postgres, tools  # noqa: E402
from tests.support.ledgers import create_ledgers  # noqa: E402

# `HYPOTHESIS_EXAMPLES=500 HYPOTHESIS_RANDOM=1 pytest` looks for new trouble; a plain run repeats the same examples. With fewer,
# as in `make test`, an example that fails is not made smaller: that can take minutes, and a plain run of the test does it.
EXAMPLES, USUAL_EXAMPLES = int(os.environ.get("HYPOTHESIS_EXAMPLES", "25")), 25
settings.register_profile(
    "ledgers",
    max_examples=EXAMPLES,
    phases=[phase for phase in Phase if phase is not Phase.shrink or EXAMPLES >= USUAL_EXAMPLES],
    derandomize="HYPOTHESIS_RANDOM" not in os.environ,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("ledgers")

# What the caller's shell sets is not for the programs that tests start: another database or proxy, options of the exporter,
# colours, and the size of a terminal, which pytest-xdist sets too.
_CALLERS_OWN = re.compile(r"PG[A-Z]+|LEDGER_EXPORTER_\w+|\w+_proxy|NO_COLOR|FORCE_COLOR|COLUMNS|LINES", re.IGNORECASE)
for variable in filter(_CALLERS_OWN.fullmatch, [*os.environ]):
    del os.environ[variable]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Refuse tools while tests are collected: without them, all but those that are marked can still run."""
    with tools.access(allowed=False):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Allow tools to tests with the marker `tools`, their fixtures included."""
    with tools.access(allowed=item.get_closest_marker("tools") is not None):
        return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave PostgreSQL 15 to the night, but for tests with the marker `both_servers`."""
    for item in items:
        parameters = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        if parameters.get("server") == "pg15" and item.get_closest_marker("both_servers") is None:
            item.add_marker(pytest.mark.nightly)


@pytest.fixture(scope="session")
def pg18() -> Iterator[postgres.Server]:
    """PostgreSQL 18, as embedded in a Python package."""
    server = postgres.start(postgres.programs_of("pg18"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def pg15() -> Iterator[postgres.Server]:
    """The machine's own PostgreSQL: 15 where there is one, else the oldest."""
    server = postgres.start(postgres.programs_of("pg15"))
    yield server
    server.stop()


@pytest.fixture(scope="module", params=postgres.SERVERS)
def server(request: pytest.FixtureRequest) -> postgres.Server:
    """PostgreSQL 18, then 15: of tests with the marker `both_servers` in `make test-all`, of others at night."""
    found: postgres.Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def database(server: postgres.Server) -> Iterator[str]:
    """The connection string of a fresh database with the three ledgers, empty."""
    name = server.create_database(create_ledgers)
    yield server.dsn(name)
    server.drop_database(name)


@pytest.fixture
def shard(server: postgres.Server) -> Iterator[str]:
    """A second database like `database`, on the same server."""
    name = server.create_database(create_ledgers)
    yield server.dsn(name)
    server.drop_database(name)
