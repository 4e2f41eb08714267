"""The kernels of upright detectors and of fans against the general pair, and their dot test."""

import numba
import numpy as np
import pytest

import physrecon as pr
from physrecon.operators.projection.vector_beam import FanEngine, VectorEngine


class AnyRays(VectorEngine):
    """The general kernels only."""

    _upright = _lines = None


class AnyFans(FanEngine):
    _stack = None


TURN = np.arange(6) * 60 + 10.0


def cone(rows=17, columns=17, far=100.0, magnification=1.5, angles=TURN, **more):
    return pr.ConeBeam(
        *(angles, (rows, columns)), angle_unit="deg", pixel_size=magnification, source_origin=far,
        source_detector=far * magnification, **more,
    )  # fmt: skip


def turned(scan):
    """The same rays as vectors, with the detector leaned about z only."""
    return pr.VectorBeam.of(scan)


CUBE = pr.Grid((17, 16, 15))
CASES = {
    "circle": (cone(), CUBE),
    "right angles": (cone(angles=np.arange(4) * 90.0), CUBE),
    "one view": (cone(angles=[33.0]), CUBE),
    "one row": (cone(rows=1), CUBE),
    "one column": (cone(columns=1), CUBE),
    "off centre": (cone(center=11.3, row_offset=2.6), CUBE),
    "axis beside the detector": (cone(center=-3.0), CUBE),
    "yaw": (cone(yaw=20.0), CUBE),
    "shifts": (cone(shifts=np.random.default_rng(2).normal(size=(6, 3))), CUBE),
    "curved": (cone(detector="curved", far=30), CUBE),
    "magnified ten times": (cone(rows=41, far=30, magnification=10.0), CUBE),
    "near source": (cone(rows=19, columns=60, far=15, magnification=4.0), pr.Grid((9, 13, 13))),
    "coarse rows": (cone(rows=5, magnification=1.5), pr.Grid((40, 11, 11), (0.3, 1, 1))),
    "fine rows": (cone(rows=80), pr.Grid((4, 11, 11), (4.0, 1, 1))),
    "flat voxels": (cone(), pr.Grid((9, 7, 12), (1.3, 2.0, 0.9))),
    "one line of voxels": (cone(), pr.Grid((17, 1, 1))),
    "two slices": (cone(), pr.Grid((2, 9, 9))),
    "wider than a tile": (cone(columns=50, angles=[3.0, 48.0, 93.0]), pr.Grid((3, 37, 41))),
    "helix": (
        pr.HelicalCone(
            *(np.arange(9) * 80.0, (9, 17)), angle_unit="deg", pixel_size=1.5, source_origin=100,
            source_detector=150, rise=12.0,
        ),
        pr.Grid((26, 15, 15), 1.0, (1.0, 0, 0)),
    ),
    "vectors": (turned(cone(yaw=10.0)), CUBE),
    "parallel vectors": (turned(pr.ParallelBeam(TURN, (17, 17), angle_unit="deg")), CUBE),
}  # fmt: skip
FANS = {
    f"{slices} fans": pr.FanBeam(
        *(TURN, (slices, 17)), angle_unit="deg", pixel_size=1.5, source_origin=60,
        source_detector=90, detector=detector,
    )
    for slices, detector in ((1, "flat"), (3, "curved"), (8, "flat"), (9, "flat"), (130, "flat"))
}  # fmt: skip


def engines(name):
    if name in FANS:
        scan = FANS[name]
        grid = scan.default_grid()
        return FanEngine(scan, grid), AnyFans(scan, grid), scan, grid
    scan, grid = CASES[name]
    return VectorEngine(scan, grid), AnyRays(scan, grid), scan, grid


def taken(engine):
    return engine._stack if isinstance(engine, FanEngine) else engine._upright


def numbers(scan, grid, dtype):
    rng = np.random.default_rng(0)
    return rng.random(grid.shape).astype(dtype), rng.random(scan.shape).astype(dtype)


def products(engine, x, y):
    """(A x, Aᵀ y, y seen by the voxels), whatever was in memory."""
    sino, volume, seen = (np.full_like(array, np.nan) for array in (y, x, x))
    engine.project(x, sino)
    engine.backproject(y, volume)
    engine.interpolate(y, np.linspace(1, 2, len(y)), 1.5, seen)
    return sino, volume, seen


# Places are counted from the first one of a register, the further off the coarser the rows.
@pytest.mark.parametrize("dtype, close", [(np.float32, 4e-6), (np.float64, 1e-13)])
@pytest.mark.parametrize("name", [*CASES, *FANS])
def test_they_are_the_general_kernels(name, dtype, close):
    fast, general, scan, grid = engines(name)
    assert taken(fast) is not None
    x, y = numbers(scan, grid, dtype)
    for mine, theirs in zip(products(fast, x, y), products(general, x, y), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=close * abs(theirs).max())


@pytest.mark.parametrize("name", ["circle", "helix", "coarse rows", "laminography"])
def test_a_view_may_count_more_in_one_slice_than_in_another(name):
    """As the sum of slices that are interpolated alone, and from some of the views alike."""
    leaning = pr.TiltedBeam(TURN, (17, 17), angle_unit="deg", tilt=25.0)
    scan, grid = (leaning, CUBE) if name == "laminography" else CASES[name]
    fast, general = VectorEngine(scan, grid), AnyRays(scan, grid)
    assert fast._lines is not None
    rng = np.random.default_rng(1)
    y, weights = rng.random(scan.shape), rng.random((len(scan), grid.shape[0]))
    weights[weights < 0.4] = 0
    found, same = np.full((2, *grid.shape), np.nan)
    fast.interpolate(y, weights, 1.5, found)
    general.interpolate(y, weights, 1.5, same)
    np.testing.assert_allclose(found, same, atol=1e-13 * found.max())
    for k in (0, 3):
        alone = np.empty((1, *grid.shape[1:]))
        fast.interpolate(y, weights[:, k], 1.5, alone, (k, 0))
        np.testing.assert_allclose(alone[0], found[k], atol=1e-13 * found.max())
    some, part = np.empty((2, *grid.shape[1:])), slice(1, len(scan) - 1)
    few = np.zeros_like(weights)
    few[part] = weights[part]
    fast.interpolate(y, few, 1.5, same)
    fast.interpolate(y[part], weights[part, 1:3], 1.5, some, (1, 0), part)
    np.testing.assert_array_equal(some, same[1:3])


@pytest.mark.parametrize("dtype, close", [(np.float32, 1e-6), (np.float64, 1e-12)])
@pytest.mark.parametrize("name", [*CASES, *FANS])
def test_the_adjoint_is_exact(name, dtype, close):
    engine, _, scan, grid = engines(name)
    x, y = numbers(scan, grid, dtype)
    sino, volume, _ = products(engine, x, y)
    a, b = np.vdot(sino.astype(float), y), np.vdot(x, volume.astype(float))
    assert abs(a - b) <= close * abs(a) > 0


@pytest.mark.parametrize("name", ["wider than a tile", "helix", "130 fans"])
def test_any_number_of_threads_gives_the_same_bits(name):
    engine, _, scan, grid = engines(name)
    x, y = numbers(scan, grid, np.float32)
    before, found = numba.get_num_threads(), set()
    for threads in range(1, before + 1):
        numba.set_num_threads(threads)
        found.add(tuple(array.tobytes() for array in products(engine, x, y)))
    numba.set_num_threads(before)
    assert len(found) == 1


def test_a_stack_of_fans_is_cut_without_a_trace():
    whole, _, scan, grid = engines("130 fans")
    x, y = numbers(scan, grid, np.float32)
    sino, volume, seen = products(whole, x, y)
    for rows in (slice(0, 1), slice(5, 8), slice(100, 130)):
        part = FanEngine(scan.part(rows), grid.part(rows))
        some = products(part, np.ascontiguousarray(x[rows]), np.ascontiguousarray(y[:, rows]))
        for mine, of_all in zip(some, (sino[:, rows], volume[rows], seen[rows]), strict=True):
            np.testing.assert_array_equal(mine, of_all)


def test_views_do_not_depend_on_their_launch(monkeypatch):
    from physrecon.operators.projection import upright_lines

    engine, _, scan, grid = engines("helix")
    x, y = numbers(scan, grid, np.float32)
    together = products(engine, x, y)
    monkeypatch.setattr(upright_lines, "LAUNCH", 1)
    for mine, theirs in zip(products(engine, x, y), together, strict=True):
        np.testing.assert_array_equal(mine, theirs)


NOT_UPRIGHT = {
    "rolled": (cone(roll=0.1), CUBE),
    "pitched": (cone(pitch=0.1), CUBE),
    "steep": (cone(rows=200, far=30), CUBE),
    "source in the grid": (cone(far=5.0), CUBE),
    "rows very far apart": (cone(rows=3), pr.Grid((170, 7, 7), (0.1, 1, 1))),
    "no view": (cone(angles=[]), CUBE),
    "one slice": (cone(), pr.Grid((1, 9, 9))),
}


@pytest.mark.parametrize("name", NOT_UPRIGHT)
def test_other_rays_are_left_to_the_general_kernels(name):
    assert VectorEngine(*NOT_UPRIGHT[name])._upright is None


@pytest.mark.parametrize("name", ["circle", "3 fans"])
def test_a_voxel_that_is_no_number_stays_where_it_is_seen(name):
    engine, _, scan, grid = engines(name)
    x, y = numbers(scan, grid, np.float32)
    at = (grid.shape[0] // 2, 8, 7)
    one = np.zeros_like(x)
    one[at], x[at] = 1, np.nan
    bad = np.isnan(products(engine, x, y)[0])
    assert bad[products(engine, one, y)[0] > 0].all() and not bad.all()
