"""Fixtures of the unit tests."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certificates import Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Who signs certificates; its own is in the test's folder."""
    return Authority(tmp_path)


@pytest.fixture
def logging_as_it_was() -> Iterator[None]:
    """Leave the loggers of the process as they were."""
    loggers = [logging.getLogger(name) for name in ("", "exporter", "apscheduler")]
    before = [(logger, logger.level, logger.handlers[:]) for logger in loggers]
    yield
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers
