"""Sizes and slices in words."""

from __future__ import annotations

import pytest

from physrecon.errors import ArgumentError
from physrecon.sizes import format_bytes, parse_bytes, parse_slices


@pytest.mark.parametrize(
    "text, size",
    [("4GB", 4 * 10**9), ("512MiB", 512 * 2**20), ("1.5 k", 1500), ("7", 7), ("2tb", 2 * 10**12)],
)
def test_sizes_in_words(text, size):
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-3GB", "3XB", "0", "1e9"])
def test_sizes_that_are_none(text):
    with pytest.raises(ArgumentError, match="such as 4GB"):
        parse_bytes(text)


def test_sizes_for_people():
    sizes = (0, 999, 1000, 12_345, 3.4e9, 5e12)
    assert [format_bytes(n) for n in sizes] == [
        "0 B", "999 B", "1.00 kB", "12.3 kB", "3.40 GB", "5.00 TB",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text, rows",
    [("2:5", [2, 3, 4]), (":2", [0, 1]), ("8:", [8, 9]), ("7", [7]), (":", list(range(10)))],
)
def test_slices_in_words(text, rows):
    assert list(range(10)[parse_slices(text)]) == rows


@pytest.mark.parametrize("text", ["", "5:2", "3:3", "-1:4", "a:b", "1:2:3"])
def test_slices_that_are_none(text):
    with pytest.raises(ArgumentError, match="a:b"):
        parse_slices(text)
