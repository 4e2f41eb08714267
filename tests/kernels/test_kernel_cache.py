"""Kernels that separate processes compiled and cached, loaded together by a later one."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

pytestmark = pytest.mark.thorough

# Doubles rows of as many lanes as the arguments say.  The inner function is recursive, so that the
# compiler leaves a call of it by its symbol in the outer one.
SCRIPT = """
import os
import sys

import numpy as np

from physrecon.kernels._jit import inner
from physrecon.kernels._lanes import add_row, lanes, store, zero


@inner
def double_first(count, rows):
    if count > 0:
        double_first(count - 1, rows)
        store(rows, count - 1, add_row(zero(rows), np.float32(2), rows, count - 1))


@inner
def double(rows):
    double_first(rows.size, rows)


forks = sys.argv[1] == "forks"
for width in map(int, sys.argv[2:]):
    if forks and (child := os.fork()):
        os.waitpid(child, 0)
        continue
    x = np.arange(3 * width, dtype=np.float32)
    double(x.view(lanes(x.dtype, width)))
    print(*x, flush=True)
    if forks:
        os._exit(0)
"""
WIDTHS = ["4", "8"]


@pytest.mark.parametrize("way", ["one by one", "forks"])
def test_cached_kernels_of_many_processes_stay_apart(way, tmp_path):
    script = tmp_path / "double.py"
    script.write_text(SCRIPT)
    # One seed, for the order of the compiler's flags, which are a set, is part of a symbol.
    env = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONHASHSEED": "0"}

    def doubled(way, *widths):
        command = [sys.executable, script, way, *widths]
        run = subprocess.run(command, env=env, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        return [np.array(line.split(), float) for line in run.stdout.splitlines()]

    for widths in [WIDTHS] if way == "forks" else [[width] for width in WIDTHS]:
        doubled(way, *widths)
    for width, got in zip(WIDTHS, doubled("together", *WIDTHS), strict=True):
        np.testing.assert_array_equal(got, 2 * np.arange(3 * int(width)))
