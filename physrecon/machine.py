"""The memory that this process may use.

It is the minimum of the machine's free memory and of the room in each control group of the
process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
# usage file, limit file, and the line of memory.stat with the file cache that can be reclaimed
_V2 = ("memory.current", "memory.max", "inactive_file")
_V1 = ("memory.usage_in_bytes", "memory.limit_in_bytes", "total_inactive_file")


def available_memory() -> int:
    """Bytes this process can still allocate without swapping or being killed."""
    return max(min([_machine(), *_groups()]), 0)


def _machine() -> int:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, ValueError, OSError):
        return 4 << 30  # unknown system: assume a small laptop


def _groups() -> Iterator[int]:
    """Bytes left in each control group of this process, version 1 or 2."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            root, names = CGROUPS, _V2
        elif "memory" in controllers.split(","):
            root, names = CGROUPS / "memory", _V1
        else:
            continue
        folder = root / path.strip("/")
        for group in (folder, *folder.parents):  # a parent's limit binds too
            room = _room(group, *names)
            if room is not None:
                yield room
            if group == root:
                break


def _room(group: Path, usage: str, limit: str, cache: str) -> int | None:
    try:
        bound = int((group / limit).read_text())  # "max" is no number: no limit
        used = int((group / usage).read_text())
        for line in (group / "memory.stat").read_text().splitlines():
            if line.split()[0] == cache:
                used -= int(line.split()[1])
    except (OSError, ValueError):
        return None
    return bound - used
