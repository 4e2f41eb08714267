"""Which cases of a test are for every day, and which for `.ci/run` alone."""

from __future__ import annotations

from typing import Any

import pytest


def thorough(*values: Any, **options: Any) -> Any:
    """A case for `.ci/run`: it differs from one of every day in numbers, not in what it runs."""
    return pytest.param(*values, marks=pytest.mark.thorough, **options)


# How many problems are drawn: as many as `.ci/run` has time for, or `tests/long/run`.
draws = pytest.mark.parametrize(
    "count",
    [pytest.param(60, marks=pytest.mark.thorough), pytest.param(250, marks=pytest.mark.long)],
)
