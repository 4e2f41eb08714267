"""Cutting work into slabs, sizes in words, and the memory that is there."""

from __future__ import annotations

import pytest

from physrecon import machine as root_machine
from physrecon.errors import ArgumentError
from physrecon.pipeline.pieces import slab_rows, slabs
from physrecon.sizes import format_bytes, parse_bytes, parse_slices


@pytest.mark.parametrize("count, size", [(0, 3), (1, 1), (7, 3), (9, 3), (5, 100)])
def test_slabs_cover_every_row_once_and_in_order(count, size):
    cut = slabs(count, size)
    assert [i for s in cut for i in range(count)[s]] == list(range(count))
    assert all(0 < s.stop - s.start <= size for s in cut)


@pytest.mark.parametrize("rows", [1, 15, 16, 17, 100, 1000])
@pytest.mark.parametrize("budget", [1_000, 1_700, 5_000, 10**6])
def test_a_slab_stays_within_the_budget_and_wastes_no_lane(rows, budget):
    def cost(n):
        return 100 + 50 * n

    n = slab_rows(budget, cost, rows)
    assert 1 <= n <= rows
    assert cost(n) <= budget
    assert n == rows or n % 16 == 0
    larger = n + 16 if n < rows else None
    assert larger is None or larger > rows or cost(larger) > budget


def test_a_slab_narrower_than_the_lanes_is_taken_when_memory_allows_no_more():
    assert slab_rows(650, lambda n: 100 + 50 * n, 40) == 11


def test_too_small_a_budget_says_what_would_do():
    with pytest.raises(ArgumentError, match="at least 150 B"):
        slab_rows(120, lambda n: 100 + 50 * n, 4)


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


def group(folder, limit: str, used: str, stat: str, names=("max", "current")):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in zip(names, (limit, used), strict=True):
        (folder / f"memory.{name}").write_text(text)
    (folder / "memory.stat").write_text(stat)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A pretended /proc and /sys/fs/cgroup with 64 GiB free."""
    texts = {"/proc/meminfo": "MemTotal: 1 kB\nMemAvailable: 67108864 kB\n"}
    read = root_machine.Path.read_text
    monkeypatch.setattr(root_machine, "CGROUPS", tmp_path)
    monkeypatch.setattr(
        root_machine.Path,
        "read_text",
        lambda p, *a: texts[str(p)] if str(p) in texts else read(p, *a),
    )
    return texts


def test_memory_is_bounded_by_the_tightest_control_group(machine, tmp_path):
    machine["/proc/self/cgroup"] = "0::/user/job\n"
    group(tmp_path / "user/job", "max\n", "5\n", "inactive_file 0\n")
    group(tmp_path / "user", "9000\n", "5000\n", "anon 1\ninactive_file 3000\n")
    # the page cache of files read before is given back when asked for
    assert root_machine.available_memory() == 9000 - 5000 + 3000


def test_memory_reads_the_older_control_groups(machine, tmp_path):
    machine["/proc/self/cgroup"] = "5:devices:/x\n4:memory:/x\n"
    names = ("limit_in_bytes", "usage_in_bytes")
    group(tmp_path / "memory/x", "800\n", "300\n", "total_inactive_file 100\n", names)
    assert root_machine.available_memory() == 600


def test_memory_without_control_groups_is_that_of_the_machine(machine):
    machine["/proc/self/cgroup"] = ""
    assert root_machine.available_memory() == 64 << 30
