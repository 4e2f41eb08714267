"""The kernels of Fourier projections against their CPU twins, in Numba's simulator."""

from __future__ import annotations

import numba
import numpy as np
import pytest

import physrecon as pr
from physrecon.kernels import gridding
from physrecon.kernels._lanes import lanes
from physrecon.operators.projection.polar_points import polar_points

if not numba.config.ENABLE_CUDASIM:
    pytest.skip("needs NUMBA_ENABLE_CUDASIM=1 in the environment", allow_module_level=True)


def random(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def assert_twins(cpu, gpu):
    np.testing.assert_allclose(gpu.host, cpu, atol=1e-5 * np.abs(cpu).max())


def test_gridding(simulated_device):
    """The values of a spectrum at polar points, and back."""
    scan = pr.ParallelBeam([10, 100, 170], (1, 5), angle_unit="deg", center=1.7)
    points = polar_points(scan, pr.Grid((1, 4, 5)), 8, 1e-3, np.float32)
    rows, columns = points.padded
    grid, values = random((rows, columns, 4)), random((15, 1, 4), 1)
    some = points.cells, points.weights, random((15, 2), 2)
    order, starts, tiles = points.tiles()

    def as_rows(numbers):
        return numbers.reshape(-1).view(lanes(np.float32, 4))

    seen, spread = np.zeros_like(values), np.zeros_like(grid)
    gridding.interpolate(*some, 3, columns, as_rows(grid), as_rows(seen))
    gridding.spread(*some, order, starts, tiles, columns, as_rows(values), as_rows(spread))
    device = simulated_device
    mine = tuple(map(device, some))
    found, given = device(np.zeros_like(values)), device(np.zeros_like(grid))
    gridding.interpolate(*mine, 3, columns, device(grid.reshape(-1, 1, 4)), found)
    assert_twins(seen, found)
    index = map(device, (order, starts, tiles))
    gridding.spread(*mine, *index, columns, device(values), given)
    assert_twins(spread, given)


def test_slices_between_blocks(simulated_device):
    x, factors = random((2, 3, 5)), random((3,))
    wide, device = random((5,), 1), simulated_device
    block, there = np.zeros((3, 8, 4), np.float32), device(np.zeros((3, 8, 4), np.float32))
    gridding.place(x, factors, wide, 2, block)
    gridding.place(device(x), device(factors), device(wide), 2, there)
    assert_twins(block, there)
    back, given = np.zeros_like(x), device(np.zeros_like(x))
    gridding.collect(block, factors, wide, 2, back)
    gridding.collect(device(block), device(factors), device(wide), 2, given)
    assert_twins(back, given)
