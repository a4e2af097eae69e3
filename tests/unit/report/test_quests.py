"""Quests as people write them: by name or id, whatever the case, and never a wrong one."""

from __future__ import annotations

import pytest

from exporter.errors import ExporterError
from exporter.publishing.samples import Samples
from exporter.report import quests


def samples(**ids: str) -> Samples:
    """Quests by their labels and ids."""
    return Samples(("ledger_quest_info", {"quest": label, "quest_id": quest}, 1.0) for label, quest in ids.items())


def test_a_quest_is_found_by_name_or_id_whatever_the_case() -> None:
    known = samples(Tau="q-1", Beta="q-2", other="")

    assert {"Tau"} == quests.labels(known, ["tau"])
    assert {"Tau", "Beta"} == quests.labels(known, ["Q-1", "BETA"])


def test_an_exact_name_is_preferred() -> None:
    known = samples(Foo="q-1", foo="q-2", FOO="Q-1")

    assert [{"Foo"}, {"foo"}, {"FOO"}] == [quests.labels(known, [name]) for name in ("Foo", "foo", "FOO")]
    assert [{"Foo"}, {"FOO"}] == [quests.labels(known, [quest]) for quest in ("q-1", "Q-1")]


def test_a_name_is_preferred_to_another_quests_id() -> None:
    assert {"a"} == quests.labels(samples(a="q-1", b="a"), ["a"])


def test_what_may_be_several_is_an_error_that_lists_them() -> None:
    with pytest.raises(
        ExporterError, match=r"^'fOO' may be any of the quests FOO, Foo; write it as it is written there$"
    ):
        quests.labels(samples(Foo="q-1", FOO="q-2", bar="q-3"), ["fOO"])


def test_what_is_none_is_an_error_that_lists_all() -> None:
    with pytest.raises(ExporterError, match=r"^there is no quest 'x', 'y'; there are: Beta, Tau$"):
        quests.labels(samples(Tau="q-1", Beta="q-2"), ["x", "tau", "y"])
    with pytest.raises(ExporterError, match="there are: none"):
        quests.labels(samples(), ["x"])
