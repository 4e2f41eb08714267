"""How near the rotation axis is found, and how often the truth lies within the stated ±.

200 simulated scans of ten kinds, two fifths of them of a second kind too.  Objects are ellipses in
closed form: four rays a column are averaged as the detector does, in transmission, so no projector
of ours takes part.  Counts are Poisson.  In every kind the axis lies up to 15 % of the width beside
the middle, 10³ to 10⁵ photons fall on a pixel, and half of the scans have a single row.

    python benchmarks/axis.py --seed 1000"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter1d

import physrecon as pr
from physrecon.errors import DataError

KINDS = (
    *("half turn", "full turn", "half acquisition", "truncated", "golden angle"),
    *("uneven angles", "beam drift", "object drift", "rings", "few views"),
)
SECOND = ("truncated", "uneven angles", "beam drift", "object drift", "rings", "few views")
GOLDEN = np.pi * (3 - np.sqrt(5))
FINE = 4  # rays a column
NEAR = 0.25  # columns, the error that is asked for


@dataclass
class Case:
    """A simulated scan: y (views, rows, columns), angles [rad], column of the axis, its words."""

    y: Any
    angles: Any
    axis: float
    words: str = field(default="")


def shapes(rng: Any, radius: float) -> tuple[Any, str]:
    """Ellipses (n, 6) of an object of this radius: x, y, half axes, tilt, density; and its kind."""
    kind = ("organs", "foam", "beads", "plain")[rng.choice(4, p=(0.4, 0.3, 0.15, 0.15))]
    body = [*rng.uniform(-0.08, 0.08, 2), *rng.uniform(0.6, 0.88, 2), rng.uniform(0, np.pi), 1.0]
    if kind == "organs":
        n = int(rng.integers(6, 15))
        sizes, values, reach = rng.uniform(0.04, 0.25, (n, 2)), rng.uniform(-0.7, 1.2, n), 0.6
    elif kind == "foam":
        n = int(rng.integers(12, 30))
        sizes, values, reach = np.repeat(rng.uniform(0.03, 0.12, (n, 1)), 2, 1), -np.ones(n), 0.5
    elif kind == "beads":
        n = int(rng.integers(4, 10))
        sizes, values, reach = np.repeat(rng.uniform(0.04, 0.15, (n, 1)), 2, 1), np.ones(n), 0.8
    else:
        body[:4] = [*rng.uniform(-0.3, 0.3, 2), *rng.uniform(0.3, 0.55, 2)]
        return np.array([body]) * [*[radius] * 4, 1, 1], kind
    r, t = reach * np.sqrt(rng.uniform(0, 1, n)), rng.uniform(0, 2 * np.pi, n)
    parts = np.column_stack([r * np.cos(t), r * np.sin(t), sizes, rng.uniform(0, np.pi, n), values])
    table = parts if kind == "beads" else np.vstack([body, parts])
    return table * [*[radius] * 4, 1, 1], kind


def line_integrals(table: Any, angles: Any, u: Any) -> Any:
    """Of ellipses, at distances u (views, n) from the axis."""
    total = np.zeros(u.shape)
    for x, y, a, b, tilt, density in table:
        cos, sin = np.cos(angles - tilt)[:, None], np.sin(angles - tilt)[:, None]
        reach = (a * cos) ** 2 + (b * sin) ** 2
        away = u - (x * np.cos(angles) + y * np.sin(angles))[:, None]
        total += density * 2 * a * b * np.sqrt(np.maximum(reach - away**2, 0)) / reach
    return total


def views_of(rng: Any, kinds: tuple[str, str]) -> Any:
    """The angles of a scan [rad]."""
    full = "full turn" in kinds or "half acquisition" in kinds
    turn = np.pi * (2 if full else rng.integers(1, 3))
    count = int(rng.integers(80, 200) * turn / np.pi)
    if "few views" in kinds:
        count = int(rng.integers(30, 61))
    start = rng.uniform(0, 2 * np.pi)
    if "golden angle" in kinds:
        return start + np.mod(GOLDEN * np.arange(count), turn)
    angles = np.arange(count) * turn / count
    if "uneven angles" in kinds:
        steps = rng.uniform(0.2, 1.8, count)
        angles = np.cumsum(steps) * turn / steps.sum()
        if rng.uniform() < 0.4:  # lost views
            lost = rng.uniform(0, turn)
            angles = angles[np.abs(angles - lost) > np.deg2rad(rng.uniform(2, 10))]
    return start + angles * rng.choice([-1, 1])


def case(kind: str, seed: int) -> Case:
    """A scan of a kind; two fifths of them are of a second kind too."""
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    kinds = (kind, str(rng.choice(SECOND)) if rng.uniform() < 0.4 else "")
    columns = int(rng.choice([96, 128, 160, 192]))
    angles = views_of(rng, kinds)
    views, t = len(angles), np.linspace(-0.5, 0.5, len(angles))
    axis = (columns - 1) / 2 + rng.uniform(-0.15, 0.15) * columns
    if kind == "half acquisition":
        axis = rng.uniform(0.08, 0.25) * columns
        axis = axis if rng.uniform() < 0.5 else columns - 1 - axis
    short, long = sorted([axis, columns - 1 - axis])
    radius = short * rng.uniform(0.75, 0.98)
    if kind == "half acquisition":
        radius = long * rng.uniform(0.6, 1.1)
    elif "truncated" in kinds:
        radius = long * rng.uniform(1.1, 1.6)
    rows = 1 if seed % 2 else int(rng.integers(2, 5))
    counts, depth = 10 ** rng.uniform(3, 5), rng.uniform(0.7, 3)
    shift = np.zeros(views)
    if "object drift" in kinds:  # slow, of the stage or of the object on it; its mean is the axis
        path = (t, smooth_walk(rng, views))[rng.integers(2)]
        turned = (1, np.cos(angles - rng.uniform(0, 2 * np.pi)))[rng.integers(2)]
        shift = rng.uniform(0.2, 0.6) * (path - path.mean()) * turned
    fine = (np.arange(FINE * columns) + 0.5) / FINE - 0.5 - axis
    fine = fine - shift[:, None]
    rest = []
    for _ in range(rows):
        table, name = shapes(rng, radius)
        p = line_integrals(table, angles, fine)
        rest.append(p * depth / p.max())
    light = np.exp(-np.stack(rest, 1)).reshape(views, rows, columns, FINE).mean(3)
    light *= beam(rng, kinds, light.shape)
    y = -np.log(np.maximum(rng.poisson(counts * light), 0.5) / counts)
    words = f"{kinds[1] or 'alone'}, {name}, {y.shape}, {counts:.0f} counts, depth {depth:.1f}"
    return Case(y.astype(np.float32), angles, float(axis), words)


def smooth_walk(rng: Any, views: int) -> Any:
    """A slow random path with a range of 1."""
    walk = gaussian_filter1d(np.cumsum(rng.standard_normal(views)), views / 20)
    return walk / np.ptp(walk)


def beam(rng: Any, kinds: tuple[str, str], shape: Any) -> Any:
    """What the flats do not tell of the beam: drift in strength and slope, gains of columns."""
    views, rows, columns = shape
    light = np.ones(shape)
    if "beam drift" in kinds:
        walk = np.cumsum(rng.standard_normal(views)) / np.sqrt(views)
        ramp = np.linspace(-1, 1, columns) * np.linspace(-0.5, 0.5, views)[:, None, None]
        light *= np.exp(rng.uniform(0.01, 0.08) * walk)[:, None, None]
        light *= np.exp(rng.uniform(-0.04, 0.04) * ramp)
    if "rings" in kinds:
        gains = 0.005 * rng.standard_normal((rows, columns))
        some = rng.random((rows, columns)) < 0.08
        light *= np.exp(gains + 0.04 * rng.standard_normal((rows, columns)) * some)
    return light


def judged(case: Case) -> dict[str, Any]:
    """Error and ± of the axis that is found, and the seconds that takes."""
    started = time.perf_counter()
    try:
        found = pr.find_center(case.y, case.angles)
    except DataError as problem:
        return {"refused": str(problem), "seconds": time.perf_counter() - started}
    seconds = time.perf_counter() - started
    return {"error": found.column - case.axis, "bar": found.uncertainty, "seconds": seconds,
            "methods": found.methods}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of the first scan of every kind")
    parser.add_argument("--each", type=int, default=20, help="scans of a kind")
    parser.add_argument("--kind", help="this kind alone, with every scan")
    options = parser.parse_args()
    print(f"{'kind':17} scans  within {NEAR}  within ±  median ±  refused  seconds")
    everything: list[dict[str, Any]] = []
    for kind in [options.kind] if options.kind else KINDS:
        found = []
        for seed in range(options.seed, options.seed + options.each):
            made = case(kind, seed)
            found.append(judged(made))
            if options.kind:
                print(seed, made.words, f"axis {made.axis:.2f}", found[-1])
        print(line(kind, found), flush=True)
        everything += found
    print(line("all", everything))


def line(kind: str, found: list[dict[str, Any]]) -> str:
    """A row of the table.  A refusal is neither near nor wrong."""
    told = [f for f in found if "error" in f]
    near = sum(abs(f["error"]) <= NEAR for f in told) / len(found)
    covered = [abs(f["error"]) <= f["bar"] for f in told]
    share = sum(covered) / max(len(covered), 1)
    bar = np.median([f["bar"] for f in told]) if told else np.nan
    seconds = np.median([f["seconds"] for f in found])
    return (
        f"{kind:17} {len(found):5}  {near:11.0%}  {share:8.0%}  {bar:8.2f}"
        f"  {len(found) - len(told):7}  {seconds:7.2f}"
    )


if __name__ == "__main__":
    main()
