"""A check over many items reports each item that fails, and fails if there are none."""

from __future__ import annotations

import pytest

from tests.support.complaints import complaints, each


def is_even(number: int) -> None:
    assert number % 2 == 0, "is odd"


def test_each_failure_is_reported_with_its_place() -> None:
    found = complaints([1, 2, 3], is_even, place=lambda number: f"line {number}")

    assert [complaint.splitlines()[0] for complaint in found] == ["line 1: is odd", "line 3: is odd"]


def test_no_failure_is_no_complaint() -> None:
    assert complaints([2, 4], is_even) == []


def test_an_error_is_reported_and_hides_no_other_item() -> None:
    found = complaints(["a", "b", "c"], {"b": 1}.__getitem__)

    assert found == ["a: KeyError: 'a'", "c: KeyError: 'c'"]


def test_what_pytest_calls_a_failure_is_reported() -> None:
    assert complaints([1, 2], lambda number: pytest.fail("too low") if number < 2 else None) == ["1: too low"]


def test_nothing_to_check_is_a_complaint() -> None:
    assert complaints([], is_even) == ["there are no items to check"]
    assert complaints(iter([]), is_even) == ["there are no items to check"]


@pytest.fixture
def limit() -> int:
    return 10


@each([1, 2, 3])
def test_a_check_becomes_one_test_that_gets_its_fixtures(number: int, limit: int) -> None:
    assert number < limit == 10


def test_that_test_lists_every_complaint() -> None:
    with pytest.raises(pytest.fail.Exception) as failure:
        each([1, 2, 3])(is_even)()

    lines = str(failure.value).splitlines()
    assert lines[0] == "complaints: 2"
    assert {"1: is odd", "3: is odd"} <= set(lines)
