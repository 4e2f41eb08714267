"""Simulated scans and blurred photographs, sound or with one planted mismatch, for mismatch.py.

size: of the mismatch, 1 to begin with.  Counts are Poisson or noise is white, neighbours share it
in half of the cases, and in a third of the scans the flats add a faint ring to every column, which
nobody says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter, gaussian_filter1d, map_coordinates

import physrecon as pr
from physrecon.analytic.fdk import complete
from physrecon.datasets import Simulation
from physrecon.pipeline.scan.model_check import CheckedRow
from physrecon.pipeline.scan.patterns import lines
from physrecon.pipeline.scan.row_fit import RowFit

PHANTOMS = ("ellipsoids", "shepp-logan", "foam")
METHODS = ("fbp", "sirt", "cgls")
PHOTOS = ("camera", "coins", "text", "page", "brick", "grass", "gravel", "moon", "cell")
GAMMA = 2.2  # of sRGB, roughly


@dataclass
class ScanCase:
    """Rows of line integrals as the user gives them, the geometry that the user believes for the
    row that is checked, a result x.  Of four rows of a cone that is the mean of the inner two."""

    rows: Any
    scan: Any
    x: Any
    words: str

    @property
    def grid(self) -> Any:
        return self.scan.default_grid()

    @property
    def y(self) -> Any:
        return self.rows[:, 1:-1].mean(1, keepdims=True) if self.cone else self.rows

    @property
    def cone(self) -> bool:
        return bool(self.rows.shape[1] > 1)

    @property
    def row(self) -> CheckedRow:
        shares, bends = ((0, 0.5, 0.5, 0), (0.5, -0.5, -0.5, 0.5)) if self.cone else ((1.0,), ())
        rows = slice(0, len(shares))
        return CheckedRow(rows, shares, 0, self.scan, self.grid, bends)

    def chi2(self) -> float:
        """Mean square residual, with the weights of counts, once a slice has learned all it can.

        Columns that see no voxel are left out: a mismatch raises χ² there for no slice's sake."""
        w = np.exp(-np.maximum(self.y, 0))
        w[..., np.abs(lines(self.scan)[1][0]) > self.grid.shape[2] * self.grid.pitch[2] / 2] = 0
        fit = RowFit(self.scan, w, self.y.shape[2])
        return float((w * fit.unexplained(fit.start(self.y)).astype(np.float64) ** 2).mean())


def scan_case(
    seed: int, kind: str | None, size: float, reconstruct: bool = True, noise: bool = True,
    source: bool = False,
) -> ScanCase:  # fmt: skip
    """A scan of a phantom; kind: of the mismatch, None for a sound scan; size 0: without it.

    source: by a fan or a cone, of which the row is that which `recon` checks."""
    kind = kind if size else None
    rng = np.random.default_rng([seed, 1])
    columns, phantom = int(rng.integers(96, 129)), PHANTOMS[seed % 3]
    turn = 360.0 if seed % 4 == 3 else 180.0
    if source:
        turn = 360.0 if seed % 4 else 240.0
    views = int(rng.integers(90, 150) * (1.4 if turn > 240 else 1))
    counts, depth = 10 ** rng.uniform(3.3, 4.7), rng.uniform(1.5, 4)
    center = (columns - 1) / 2 + rng.uniform(-3, 3)
    shared, rings = 0.7 * (seed % 2), 0.3 * (seed % 3 == 1)
    sim = Simulation(
        (1, columns, columns), views, phantom, center=center, seed=seed, depth=depth,
        pixel_size=None, angle_range=turn,
    )  # fmt: skip
    true, kept, given = sim.scan, slice(None), center
    if source:
        true, beam, heights = of_source(seed, sim.scan, rng)
        p = np.stack([fan_projections(sim.object, true, z) for z in heights], 1)
    else:
        beam = "parallel"
        p = np.asarray(sim.object.projections(sim.scan, supersample=4), np.float64)
    radians = true.radians
    if kind == "moved":
        p = _moved(p, radians, 0.7 * size, rng)
    if kind == "hardening":
        soft = min(0.15 * size, 0.9)
        p = -np.log(0.5 * np.exp(-p * (1 - soft)) + 0.5 * np.exp(-p * (1 + soft)))
    light = counts * np.exp(-p)
    if kind == "scatter":
        light += 0.004 * size * counts
    if kind == "drift":
        light *= np.exp(0.01 * size * _wave(views, rng))[:, None, None]
    seen = rng.poisson(light)
    y = -np.log(np.maximum(seen if noise else light, 1) / counts)
    if shared:
        y = gaussian_filter1d(y, shared, axis=2)
    y += noise * rings / np.sqrt(counts) * rng.standard_normal(p.shape[1:])
    if kind == "axis":
        given += rng.choice([-1, 1]) * 0.5 * size
    if kind == "columns":
        y = _bad_columns(y, size, seed, rng)
    if kind == "angles":
        # half of a fan's turn is no turn that can be checked
        factors = [1 + 0.01 * size, 1 - 0.01 * size, 2.0, *([] if source else [0.5])]
        radians = radians * factors[seed // 3 % len(factors)]
    if kind == "truncation":
        cut = min(round(columns * 0.15 * size**0.5), columns // 3)
        kept, given = slice(cut, columns - cut), given - cut
    y = np.ascontiguousarray(y[:, :, kept], np.float32)
    scan = replace(
        true, angles=radians, angle_unit="rad", detector_shape=(1, y.shape[2]), center=given,
    )  # fmt: skip
    method = METHODS[seed // 3 % 3]
    words = (
        f"{beam} {phantom} {method} {views} views over {turn:.0f}°, counts {counts:.0f}, depth "
        f"{depth:.1f}, shared {shared}, rings {rings}, size {size:.2g}"
    )
    made = ScanCase(y, scan, None, words)
    # between two rows of a cone there may be no slice
    if reconstruct and p.shape[1] == 1:
        made.x = _slice_of(y, scan, method)
    return made


def of_source(seed: int, scan: Any, rng: Any) -> tuple[Any, str, list[Any]]:
    """(a fan of one row, words, heights of points of every row that is measured) with the views and
    the columns of a parallel beam.  The plane of the source of a cone lies between two rows."""
    far, magnification = rng.uniform(1.2, 4) * scan.shape[2], rng.uniform(1.3, 4)
    fan = pr.FanBeam(
        scan.radians, (1, scan.shape[2]), angle_unit="rad", center=scan.center,
        pixel_size=magnification, source_origin=far, source_detector=magnification * far,
        detector="curved" if seed // 2 % 4 == 3 else "flat",
    )  # fmt: skip
    if seed % 2:
        return fan, "fan", [[0.0]]
    points = np.array([-0.25, 0.25]) * fan.row_pitch
    return fan, "cone", [points + k * fan.row_pitch for k in (-1.5, -0.5, 0.5, 1.5)]


def fan_projections(body: Any, scan: Any, heights: Any, points: int = 4) -> Any:
    """Line integrals (views, columns) of ellipsoids, in closed form: means over points of a pixel.

    heights: on the detector, of points of a row."""
    return np.mean([_at_height(body, scan, z, points) for z in heights], axis=0)


def _at_height(body: Any, scan: Any, height: float, points: int) -> Any:
    columns = scan.shape[2]
    u = (np.arange(columns * points) + 0.5) / points - 0.5
    wide = replace(
        scan, detector_shape=(1, columns * points), center=(scan.center + 0.5) * points - 0.5,
        pixel_size=(scan.row_pitch, scan.column_pitch / points),
    )  # fmt: skip
    angles, away = lines(wide)
    across = (u - scan.center) * scan.column_pitch
    level = scan.source_detector if scan.bend else np.hypot(across, scan.source_detector)
    rise = height / level  # along the ray, of its length in the plane
    before = np.sqrt(scan.source_origin**2 - away**2)  # from the source to the nearest point
    cos, sin, total = np.cos(angles), np.sin(angles), np.zeros(angles.shape)
    start = (away * cos, away * sin, before * rise)
    ahead = (-sin, cos, rise + 0 * sin)
    for value, a, b, c, x0, y0, z0, degrees in body.solids:
        s, d = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
        x, y, z = start[0] - x0, start[1] - y0, start[2] - z0
        point = ((s * x + d * y) / a, (s * y - d * x) / b, z / c)
        way = (
            (s * ahead[0] + d * ahead[1]) / a, (s * ahead[1] - d * ahead[0]) / b, ahead[2] / c,
        )  # fmt: skip
        square = sum(w * w for w in way)
        inner = sum(p * w for p, w in zip(point, way, strict=True))
        root = inner**2 - square * (sum(p * p for p in point) - 1)
        total += 2 * value * np.sqrt(np.maximum(root, 0)) / square * np.sqrt(1 + rise**2)
    return total.reshape(len(angles), columns, points).mean(-1)


def _wave(views: int, rng: Any) -> Any:
    """Of mean 0 and unit size: slow waves, or a random walk."""
    t, walk = np.arange(views) / views, np.cumsum(rng.standard_normal(views))
    wave = np.sin(2 * np.pi * t * rng.uniform(1, 6)) if rng.random() < 0.5 else walk / walk.std()
    return wave - wave.mean()


def _moved(p: Any, radians: Any, far: float, rng: Any) -> Any:
    """Projections of an object that moves: at once, or all the time."""
    views, t0 = len(p), rng.uniform(0.3, 0.7)
    t = np.linspace(0, 1, views)
    path = 1.0 * (t > t0) if rng.random() < 0.5 else 2 * t
    shift = far * path * np.cos(radians - rng.uniform(0, 2 * np.pi))
    at = np.arange(p.shape[2]) - shift[:, None]
    rows = np.broadcast_to(np.arange(views)[:, None], at.shape)
    return map_coordinates(p[:, 0], [rows, at], order=3, mode="nearest")[:, None]


def _bad_columns(y: Any, size: float, seed: int, rng: Any) -> Any:
    """Columns of another gain, or stuck at one value."""
    columns = y.shape[2]
    at = rng.choice(np.arange(columns // 5, 4 * columns // 5), rng.integers(1, 4), False)
    if seed % 2:
        y[:, :, at] += 0.05 * size * y.max() * rng.choice([-1, 1], len(at))
    else:
        y[:, :, at] = y.mean() * rng.uniform(0.3, 1.5, len(at))
    return y


def _slice_of(y: Any, scan: Any, method: str) -> Any:
    A = pr.Projector(scan)
    if method == "fbp" and isinstance(scan, pr.ParallelBeam):
        return pr.fbp(y, scan, A.grid, padding="edge")
    if method == "fbp" and complete(scan):
        return pr.fdk(y, scan, A.grid, padding="edge")
    method = "cgls" if method == "fbp" else method
    solver, count = {"sirt": (pr.SIRT(), 50), "cgls": (pr.ConjugateGradient(), 12)}[method]
    return pr.solve(pr.Problem(pr.LeastSquares(A, y)), solver, None, pr.Stop(iterations=count)).x


# Images ---------------------------------------------------------------------------------------


@dataclass
class ImageCase:
    """A blurred image y, the PSF that the user believes, and a result x of TV with its border."""

    y: Any
    psf: Any
    center: tuple[int, ...]
    x: Any
    words: str

    def chi2(self) -> float:
        """Mean square residual of the result."""
        A = pr.Blur(self.psf, self.y.shape, "unknown")
        pad = [(n.start, m - n.stop) for n, m in zip(A.frame, A.in_shape, strict=True)]
        return float(((self.y - A @ np.pad(self.x, pad, mode="edge")) ** 2).mean())


def photo(seed: int, n: int) -> Any:
    """A photograph of scikit-image, halved where it is large enough."""
    import skimage.data

    rng = np.random.default_rng([seed, 2])
    image = np.asarray(getattr(skimage.data, PHOTOS[seed % len(PHOTOS)])(), np.float64)
    if min(image.shape) >= 2 * n:
        high, wide = (k // 2 * 2 for k in image.shape)
        image = image[:high, :wide].reshape(high // 2, 2, wide // 2, 2).mean((1, 3))
    image = np.pad(image, [(0, max(n - k, 0)) for k in image.shape], mode="reflect")
    a, b = (rng.integers(0, k - n + 1) for k in image.shape)
    part = image[a : a + n, b : b + n]
    return part - part.min() + 0.02 * np.ptp(part)


def blur_model(name: str, *parameters: float) -> Any:
    """A PSF by the name of its model, in no more pixels than it needs."""
    reach = {"gaussian": 4.0, "defocus": 1.0, "motion": 0.5}[name] * parameters[0]
    shape = (2 * int(np.ceil(reach + 1)) + 1,) * 2
    if name == "motion":
        return pr.psf.motion(shape, *parameters, angle_unit="deg")
    return getattr(pr.psf, name)(shape, *parameters)


def image_case(seed: int, kind: str | None, size: float, reconstruct: bool = True) -> ImageCase:
    """A blurred photograph; kind: of the mismatch, None for a sound image; size 0: without it."""
    rng = np.random.default_rng([seed, 3])
    pixels = int(rng.integers(96, 129))
    # behind a Gaussian an image explains what a narrow PSF or sRGB has made: no χ² tells it
    sharp = ("defocus", "motion")
    models = {"psf-angle": ("motion",), "psf-narrow": sharp, "srgb": sharp}
    names = models.get(kind or "", ("gaussian", "defocus", "motion"))
    name = names[seed % len(names)]
    ranges = {"gaussian": [(1.5, 3)], "defocus": [(2.5, 6)], "motion": [(7, 14), (0, 180)]}
    own = [rng.uniform(*bounds) for bounds in ranges[name]]
    kind = kind if size else None
    counts = 10 ** rng.uniform(2, 4)
    shared, poisson = 0.7 * (seed // 2 % 2), seed % 3 > 0
    h = blur_model(name, *own)
    x = photo(seed, pixels + len(h) - 1)
    if kind == "srgb":
        x = (x / x.max()) ** GAMMA
    y = pr.Blur(h, (pixels, pixels), "unknown") @ np.ascontiguousarray(x)
    y *= counts / y.mean()
    noise = rng.poisson(y) - y if poisson else np.sqrt(counts) * rng.standard_normal(y.shape)
    y = np.maximum(y + noise, 0)
    if kind == "srgb":
        y = counts * (y / counts) ** (1 / GAMMA)
    if shared:
        y = gaussian_filter(y, shared)
    if kind == "lines":
        y = _bad_lines(y, size, seed, rng)
    given = list(own)
    given[0] *= {"psf-wide": 1 + 0.2 * size, "psf-narrow": 1 / (1 + 0.2 * size)}.get(kind or "", 1)
    if kind == "psf-angle":
        given[1] += rng.choice([-1, 1]) * min(12 * size, 90)
    y, h = y.astype(np.float32), blur_model(name, *given)
    A = pr.Blur(h, y.shape, "unknown")
    found = _sharp(A, y) if reconstruct else None
    blur = " ".join([name, *(f"{value:.1f}" for value in own)])
    words = (
        f"{PHOTOS[seed % len(PHOTOS)]} {blur}, counts {counts:.0f} "
        f"{'Poisson' if poisson else 'white'}, shared {shared}, size {size:.2g}"
    )
    return ImageCase(y, h, A.center, found, words)


def _bad_lines(y: Any, size: float, seed: int, rng: Any) -> Any:
    """Columns or rows of the sensor of another gain, or dead."""
    at = rng.choice(y.shape[0], 3, False)
    lines = y if seed // 2 % 2 else y.T
    if seed % 2:
        lines[:, at] *= 1 + 0.2 * size * rng.choice([-1, 1], 3)
    else:
        lines[:, at[:1]] = 0
    return y


def _sharp(A: Any, y: Any) -> Any:
    """The frame of a TV restoration."""
    prior = pr.TotalVariation(0.3 * float(pr.noise_level(y)[0]))
    problem = pr.Problem(pr.LeastSquares(A, y), prior, pr.NonNegative())
    return pr.solve(problem, pr.FISTA(), None, pr.Stop(iterations=30)).x[A.frame]


def discs(seed: int, n: int) -> Any:
    """Opaque discs of all sizes, with sharp rims; every third scene is soft."""
    rng = np.random.default_rng([seed, 4])
    x, (rows, columns) = np.full((2 * n, 2 * n), 0.5), np.mgrid[: 2 * n, : 2 * n]
    for _ in range(8 * n):
        radius = min(5 * rng.random() ** -0.6, n / 2)
        y, z = rng.uniform(0, 2 * n, 2)
        x[(rows - y) ** 2 + (columns - z) ** 2 < radius**2] = rng.random()
    x = x.reshape(n, 2, n, 2).mean((1, 3))
    return 0.05 + (gaussian_filter(x, 1.0) if seed % 3 == 0 else x)


def blurred_scene(seed: int, name: str) -> tuple[Any, list[float], str]:
    """(image with counts, parameters of its blur, words): photographs and discs in turn."""
    rng = np.random.default_rng([seed, 5])
    own = {
        "gaussian": [rng.uniform(1.2, 3.5)],
        "defocus": [rng.uniform(2.5, 7)],
        "motion": [rng.uniform(6, 16), rng.uniform(0, 180)],
    }[name]
    counts, h = 10 ** rng.uniform(2, 4), blur_model(name, *own)
    natural = seed // 3 % 2 == 0
    n = 128 + len(h) - 1
    x = photo(seed, n) if natural else discs(seed // 3, n)
    y = pr.Blur(h, (128, 128), "unknown") @ np.ascontiguousarray(x)
    y = rng.poisson(y * counts / y.mean()).astype(np.float64)
    scene = PHOTOS[seed % len(PHOTOS)] if natural else "discs" + ", soft" * (seed // 3 % 3 == 0)
    blur = " ".join([name, *(f"{value:.1f}" for value in own)])
    return y, own, f"{scene}, {blur}, counts {counts:.0f}"
