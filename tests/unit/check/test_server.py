"""Judging servers: versions, clocks, replicas."""

from __future__ import annotations

from datetime import timedelta

import pytest

from exporter.check import server
from exporter.check.findings import Severity
from exporter.ledgers.inspection import Lag, Server

INTERVAL = timedelta(seconds=15)


@pytest.mark.parametrize(
    ("version", "severity"),
    [
        (120_022, Severity.ERROR),
        (130_000, Severity.OK),
        (180_003, Severity.OK),
        (190_000, Severity.WARNING),
    ],
)
def test_versions_13_to_18_are_supported(version: int, severity: Severity) -> None:
    found = server.judge_version(
        Server(version, "PostgreSQL 1.2 on x", "r", "r", superuser=False, replica=False), "sources.a"
    )

    assert found.severity is severity
    assert "PostgreSQL 1.2" in found.message


@pytest.mark.parametrize(
    ("ahead", "uncertainty", "severity"),
    [
        (0.3, 0.01, Severity.OK),
        (-1.9, 0.01, Severity.OK),
        (2.5, 0.01, Severity.WARNING),
        (-3600, 0.01, Severity.WARNING),
        (2.5, 1.0, Severity.OK),
    ],
)
def test_clocks_may_be_two_seconds_apart_beside_what_asking_takes(
    ahead: float, uncertainty: float, severity: Severity
) -> None:
    assert server.judge_clock(ahead, uncertainty, "sources.a").severity is severity


def test_it_is_said_whose_clock_is_ahead() -> None:
    assert "5.0 s ahead of ours" in server.judge_clock(5, 0, "k").message
    assert "5.0 s behind ours" in server.judge_clock(-5, 0, "k").message


@pytest.mark.parametrize(
    ("lag", "severity"),
    [
        (Lag(receiving=True, replayed_all=True, seconds=9000), Severity.OK),
        (Lag(receiving=True, replayed_all=False, seconds=3), Severity.OK),
        (Lag(receiving=True, replayed_all=False, seconds=None), Severity.OK),
        (Lag(receiving=True, replayed_all=False, seconds=90), Severity.WARNING),
        (Lag(receiving=False, replayed_all=True, seconds=3), Severity.OK),
        (Lag(receiving=False, replayed_all=True, seconds=90), Severity.WARNING),
        (Lag(receiving=False, replayed_all=True, seconds=None), Severity.WARNING),
    ],
)
def test_a_replica_may_be_one_refresh_behind(lag: Lag, severity: Severity) -> None:
    """An idle primary makes its replica's newest transaction old, but not the replica late, as long as it receives.

    One that replays an archive never receives, and is judged by what it has replayed.
    """
    assert server.judge_lag(lag, "sources.a", INTERVAL).severity is severity
