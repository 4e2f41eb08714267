"""Timing for the benchmarks: calls in turns, medians, and the peak rates of the machine."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def in_turns(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each call, measured in turns so that a disturbance affects all alike."""
    for call in calls.values():
        call()  # compiles, fills caches
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            times[name].append(seconds(call))
    return times


def multiply_rate(size: int = 2048, rounds: int = 5) -> float:
    """Floating-point operations per second of the machine's matrix product in float32."""
    a = np.ones((size, size), np.float32)
    return 2 * size**3 / float(np.median([seconds(lambda: a @ a) for _ in range(rounds)]))


def copy_rate(megabytes: int = 256, rounds: int = 5) -> float:
    """Bytes per second read and written by a copy in memory."""
    a = np.ones(megabytes << 18, np.float32)
    b = np.empty_like(a)
    times = [seconds(lambda: np.copyto(b, a)) for _ in range(rounds)]
    return 2 * a.nbytes / float(np.median(times))


@dataclass
class Table:
    """Rows of text in aligned columns."""

    head: tuple[str, ...]

    def __post_init__(self) -> None:
        self.widths = [max(len(h), 11) for h in self.head]
        self.widths[0] = 34
        self.row(*self.head)

    def row(self, *cells: str) -> None:
        first, *rest = zip(cells, self.widths, strict=True)
        text = first[0].ljust(first[1]) + "".join(cell.rjust(w + 2) for cell, w in rest)
        print(text, flush=True)


def cores() -> int:
    return len(os.sched_getaffinity(0))
