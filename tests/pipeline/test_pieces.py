"""Cutting work into slabs."""

from __future__ import annotations

import pytest

from physrecon.errors import ArgumentError
from physrecon.pipeline.pieces import slab_rows, split_rows


@pytest.mark.parametrize("count, size", [(0, 3), (1, 1), (7, 3), (9, 3), (5, 100)])
def test_slabs_cover_every_row_once_and_in_order(count, size):
    cut = split_rows(count, size)
    assert [i for s in cut for i in range(count)[s]] == list(range(count))
    assert all(0 < s.stop - s.start <= size for s in cut)


@pytest.mark.parametrize("rows", [1, 15, 16, 17, 100, 1000])
@pytest.mark.parametrize("budget", [1_000, 1_700, 5_000, 10**6])
def test_a_slab_stays_within_the_budget_and_wastes_no_lane(rows, budget):
    def peak_bytes(n):
        return 100 + 50 * n

    n = slab_rows(budget, peak_bytes, rows)
    assert 1 <= n <= rows
    assert peak_bytes(n) <= budget
    assert n == rows or n % 16 == 0
    larger = n + 16 if n < rows else None
    assert larger is None or larger > rows or peak_bytes(larger) > budget


def test_a_slab_narrower_than_the_lanes_is_taken_when_memory_allows_no_more():
    assert slab_rows(650, lambda n: 100 + 50 * n, 40) == 11


def test_too_small_a_budget_says_what_would_do():
    with pytest.raises(ArgumentError, match="at least 150 B"):
        slab_rows(120, lambda n: 100 + 50 * n, 4)
