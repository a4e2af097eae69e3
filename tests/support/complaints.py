"""Run one check over many items as one test, and list each item that fails with its place."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import pytest

T = TypeVar("T")


def complaints(items: Iterable[T], check: Callable[[T], object], place: Callable[[T], object] = str) -> list[str]:
    """Run a check of plain asserts on each item and return `place: message` for each failure.

    An error other than an assertion is a complaint too, so that it does not hide the items after it.
    Having nothing to check is a complaint: such a check could never fail.
    """
    listed = list(items)
    found = [] if listed else ["there are no items to check"]
    for item in listed:
        try:
            check(item)
        except (AssertionError, pytest.fail.Exception) as error:
            found.append(f"{place(item)}: {error}")
        except Exception as error:  # noqa: BLE001  whatever it is, the other items are still checked
            found.append(f"{place(item)}: {type(error).__name__}: {error}")
    return found


def each(
    items: Iterable[T], place: Callable[[T], object] = str
) -> Callable[[Callable[..., object]], Callable[..., None]]:
    """Make a check of one item, its first parameter, a test of all items. Other parameters are fixtures."""
    listed = list(items)

    def decorate(check: Callable[..., object]) -> Callable[..., None]:
        @functools.wraps(check)
        def test(**fixtures: Any) -> None:
            found = complaints(listed, lambda item: check(item, **fixtures), place)
            if found:
                pytest.fail("\n".join([f"complaints: {len(found)}", *found]), pytrace=False)

        _, *fixtures = inspect.signature(check).parameters.values()
        test.__signature__ = inspect.Signature(fixtures)  # type: ignore[attr-defined]  # what pytest reads
        return test

    return decorate
