"""Rays of any direction against the sum over voxels that defines them, and against closed forms."""

import numba
import numpy as np
import pytest

import physrecon as pr
from physrecon.geometry.rays import Rays
from physrecon.operators.projection.vector_beam import VectorEngine


class Scan:
    """Rays and a detector: what an engine asks of a geometry."""

    def __init__(self, rays, rows, columns):
        self._rays, self.shape = rays, (len(rays.source), rows, columns)

    def rays(self):
        return self._rays


def arc(angles, far, distance, u=1.0, v=1.0, **more):
    """Source and flat detector that turn about z: at angle 0 rays go along y, columns along x."""
    s, c, zero = np.sin(angles), np.cos(angles), 0 * angles
    into = np.stack([zero, c, -s], 1)  # from source to detector
    across = np.stack([zero, s, c], 1)
    up = np.stack([1 + zero, zero, zero], 1)
    known = dict(column=0.0, row=0.0, bend=0.0, parallel=False)
    return Rays(-far * into, distance * into, u * across, v * up, **{**known, **more})


def random_rays(rng, views, **more):
    """Any directions; sources about 20 from the origin, detectors about 8 behind it."""
    to = rng.standard_normal((views, 3))
    to /= np.linalg.norm(to, axis=1, keepdims=True)
    u, v = rng.standard_normal((2, views, 3))
    known = dict(column=3.1, row=2.3, bend=0.0, parallel=False)
    return Rays(-20 * to, 8 * to + rng.random((views, 3)), u, v, **{**known, **more})


ANGLES = np.linspace(0, 2 * np.pi, 7, endpoint=False) + 0.1
GRID = pr.Grid((5, 6, 7), (0.9, 1.1, 1.0), (0.3, -0.2, 0.1))
CASES = {
    "circle": (arc(ANGLES, 30, 12, 1.3, 1.4, column=4.0, row=3.0), 7, 9, GRID),
    "right angles": (arc(np.arange(4) * np.pi / 2, 30, 12, column=4, row=3), 7, 9, GRID),
    "off centre": (arc(ANGLES, 30, 12, 1.3, 1.4, column=-1.7, row=8.2), 7, 9, GRID),
    "curved": (arc(ANGLES, 20, 8, 1.3, 1.4, column=4, row=3, bend=1.3 / 28), 7, 9, GRID),
    "parallel": (random_rays(np.random.default_rng(3), 6, parallel=True), 5, 8, GRID),
    "any": (random_rays(np.random.default_rng(4), 9), 6, 7, GRID),
    "source in the bounding sphere": (arc(ANGLES, 5.2, 12, 2.0, 2.0, column=4, row=3), 7, 9, GRID),
    "source in the grid": (arc(ANGLES, 1.3, 12, 2.0, 2.0, column=4, row=3), 7, 9, GRID),
    "far source": (arc(ANGLES, 1e7, 9, column=4, row=3), 7, 9, GRID),
    "coarse detector": (arc(ANGLES, 30, 12, 9.0, 7.0, column=1, row=1), 3, 3, GRID),
    "fine detector": (arc(ANGLES, 30, 12, 0.1, 0.2, column=9, row=4), 9, 19, GRID),
    "misses": (arc(ANGLES, 30, 12, column=900, row=3), 7, 9, GRID),
    "one view, one row": (arc(ANGLES[:1], 30, 12, 1.3, column=4), 1, 9, GRID),
    "one slice, one row": (arc(ANGLES, 30, 12, 1.3, column=16), 1, 33, pr.Grid((1, 23, 27))),
    "one slice, many rows": (arc(ANGLES, 30, 12, 1.3, column=4, row=1), 3, 9, pr.Grid((1, 6, 7))),
    "one slice, aside": (arc(ANGLES, 30, 12, column=4, row=0.3), 1, 9, pr.Grid((1, 6, 7))),
    "no view": (arc(ANGLES[:0], 30, 12), 3, 3, GRID),
    "one voxel": (arc(ANGLES, 30, 12, column=4, row=3), 7, 9, pr.Grid((1, 1, 1))),
    "blocks": (arc(ANGLES[:2], 300, 90, 4.4, 2.0, column=15, row=1), 3, 31, pr.Grid((3, 66, 67))),
}


def operator(name):
    rays, rows, columns, grid = CASES[name]
    scan = Scan(rays, rows, columns)
    engine = VectorEngine(scan, grid)

    def forward(x):
        out = np.full(scan.shape, np.nan, x.dtype)
        engine.project(x, out)
        return out

    def adjoint(y):
        out = np.full(grid.shape, np.nan, y.dtype)
        engine.backproject(y, out)
        return out

    return forward, adjoint, grid.shape, scan.shape


def naive(name, x):
    """Joseph's sum, ray by ray and plane by plane, from positions in lengths."""
    rays, rows, columns, grid = CASES[name]
    points = rays.points(np.arange(rows), np.arange(columns))
    out = np.zeros(points.shape[:3])
    pitch, origin, n = np.array(grid.pitch), np.array(grid.origin), np.array(grid.shape)
    for at in np.ndindex(out.shape):
        p = points[at]
        d = rays.source[at[0]] if rays.parallel else p - rays.source[at[0]]
        step = d / pitch
        a = 2 - int(np.argmax(np.abs(step[::-1])))
        others = [i for i in range(3) if i != a]
        start = p / pitch + origin
        for plane in range(n[a]):
            t = (plane - start[a]) / step[a]
            if not rays.parallel and t <= -1:  # behind the source
                continue
            b, c = (start[i] + t * step[i] for i in others)
            i, k = int(np.floor(b)), int(np.floor(c))
            for m in (i, i + 1):
                for q in (k, k + 1):
                    if 0 <= m < n[others[0]] and 0 <= q < n[others[1]]:
                        index = [plane] * 3
                        index[others[0]], index[others[1]] = m, q
                        w = (1 - abs(b - m)) * (1 - abs(c - q))
                        out[at] += w * x[tuple(index)] * np.linalg.norm(d) / abs(step[a])
    return out


@pytest.mark.parametrize("dtype, close", [(np.float32, 3e-6), (np.float64, 1e-11)])
@pytest.mark.parametrize("name", CASES)
def test_it_is_the_sum_that_defines_it(name, dtype, close):
    forward, _, shape, _ = operator(name)
    x = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    expected = naive(name, x.astype(float))
    scale = abs(expected).max(initial=0) or 1.0
    close *= 1e4 if name == "far source" and dtype == np.float64 else 1  # positions of 1e7
    np.testing.assert_allclose(forward(x), expected, atol=close * scale)


@pytest.mark.parametrize("dtype, close", [(np.float32, 1e-6), (np.float64, 1e-12)])
@pytest.mark.parametrize("name", CASES)
def test_the_adjoint_is_exact(name, dtype, close):
    forward, adjoint, of_x, of_y = operator(name)
    rng = np.random.default_rng(1)
    x, y = rng.random(of_x).astype(dtype), rng.random(of_y).astype(dtype)
    a, b = np.vdot(forward(x).astype(float), y), np.vdot(x, adjoint(y).astype(float))
    assert abs(a - b) <= close * max(abs(a), 1e-30)
    assert (a == 0) == (name in ("misses", "no view"))


def test_any_number_of_threads_gives_the_same_bits():
    forward, adjoint, of_x, of_y = operator("blocks")
    rng = np.random.default_rng(1)
    x, y = rng.random(of_x, np.float32), rng.random(of_y, np.float32)
    before = numba.get_num_threads()
    found = []
    for threads in range(1, before + 1):
        numba.set_num_threads(threads)
        found.append((forward(x).tobytes(), adjoint(y).tobytes()))
    numba.set_num_threads(before)
    assert len(set(found)) == 1


def test_a_detector_seen_edge_on_is_refused():
    rays = arc(ANGLES, 30, 12, column=4, row=3)
    flat = Rays(rays.source, rays.centre, rays.u, rays.u, 4.0, 3.0, 0.0, False)
    with pytest.raises(pr.errors.ArgumentError, match="edge on in view 0"):
        VectorEngine(Scan(flat, 7, 9), GRID).project(np.zeros(GRID.shape), np.zeros((7, 7, 9)))


def test_a_ball_has_the_chords_of_a_ball():
    """Of radius 30; voxels at the surface are averages of 3³ points."""
    n, fine, radius = 80, 3, 30.0
    middle = (n - 1) / 2
    rays = arc(np.linspace(0, 6, 5), 120, 120, 2.0, 2.0, column=middle, row=middle)
    at = (np.arange(fine * n) + 0.5) / fine - n / 2
    ball = at[:, None, None] ** 2 + at[:, None] ** 2 + at**2 <= radius**2
    x = ball.reshape(n, fine, n, fine, n, fine).mean((1, 3, 5), dtype=np.float32)
    out = np.empty((5, n, n), np.float32)
    VectorEngine(Scan(rays, n, n), pr.Grid((n, n, n))).project(np.ascontiguousarray(x), out)
    source = rays.source[:, None, None]
    way = rays.points(np.arange(n), np.arange(n)) - source
    way /= np.linalg.norm(way, axis=-1, keepdims=True)
    off = np.linalg.norm(np.cross(source, way), axis=-1)
    exact = 2 * np.sqrt(np.maximum(radius**2 - off**2, 0))
    assert np.linalg.norm(out - exact) < 0.018 * np.linalg.norm(exact)  # of the surface
    assert abs(out.sum(dtype=float) / exact.sum() - 1) < 5e-4
