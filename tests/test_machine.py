"""The memory that is there."""

from __future__ import annotations

import pytest

from physrecon import machine as root_machine


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
