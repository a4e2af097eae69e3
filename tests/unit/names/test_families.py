"""Providers as booked belong to families."""

from __future__ import annotations

import pytest

from exporter.config import ProviderPattern
from exporter.names.families import Families
from tests.support.sizes import sizes

PATTERNS = [ProviderPattern(pattern="minimax", family="MiniMax"), ProviderPattern(pattern="max|g.m", family='Max "G"')]


@pytest.mark.parametrize(
    ("provider", "family"),
    [
        ("MiniMax-M2", "MiniMax"),
        ("max", "Max 'G'"),
        ("azure/GLM-4", "Max 'G'"),
        ("acme", "other"),
        ("", "other"),
        (None, "unknown"),
    ],
)
def test_the_first_pattern_found_decides(provider: str | None, family: str) -> None:
    families = Families(PATTERNS)

    assert [families.of(provider), families.of(provider)] == [family, family]


def test_spellings_without_end_are_not_all_remembered() -> None:
    families = Families(PATTERNS)

    with sizes(known_providers=3):
        assert {families.of(f"max-{number}") for number in range(10)} == {"Max 'G'"}
    assert len(families._known) == 3  # noqa: SLF001
