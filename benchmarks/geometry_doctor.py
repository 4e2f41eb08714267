"""How often the geometry doctor names a planted fault, and how often it cries wolf.

55 scans have one fault each, 5 tell nothing, 30 are sound; noise, few views, offset axes and
truncation are among them.

    python benchmarks/geometry_doctor.py --seed 1000"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import physrecon as pr

COLUMNS, ROWS = 96, 20
SEEN = {
    "unit": 7, "span": 7, "rotation": 7, "mirrored": 6, "distances": 5, "transposed": 6, "axis": 6,
    "repeats": 5, "missing": 6,
}  # fmt: skip
BLIND = ("round", "noise", "round", "mirror", "turned")  # scans that cannot tell
SOUND = 30
NEED_FAN = ("rotation", "mirrored", "distances")


@dataclass
class Case:
    y: Any
    scan: Any
    center: float | None
    words: str


def object_in(grid: Any, rng: np.random.Generator, reach: float, round_: bool) -> Any:
    """Ellipsoids within `reach` of the grid's half width, of random density."""
    z, y, x = np.meshgrid(*map(grid.axis, range(3)), indexing="ij", sparse=True)
    half, high = grid.shape[2] * grid.pitch[2] / 2, grid.shape[0] * grid.pitch[0] / 2
    if round_:
        return ((x**2 + y**2 < (0.5 * half) ** 2) * np.ones_like(z)).astype(np.float32)
    made = np.zeros(grid.shape, np.float32)
    for k in range(rng.integers(4, 9)):
        a, b = rng.uniform(0.12, 0.5, 2) * half * reach
        r, at = rng.uniform(0.1, 0.55) * half * reach, rng.uniform(0, 2 * np.pi)
        t = rng.uniform(0, np.pi)
        u, v = x - r * np.cos(at), y - r * np.sin(at)
        c, s = np.cos(t), np.sin(t)
        w = (z - rng.uniform(-0.2, 0.2) * high) / (high * rng.uniform(0.4, 0.9))
        inside = ((c * u + s * v) / a) ** 2 + ((c * v - s * u) / b) ** 2 + w**2 < 1
        made += np.float32(rng.uniform(0.3, 1) * (1 if k < 3 else rng.choice((1, -0.3)))) * inside
    return np.maximum(made, 0)


def geometry(beam: str, degrees: Any, rows: int, center: float) -> Any:
    given: dict[str, Any] = {"angle_unit": "deg", "center": center}
    if beam == "parallel":
        return pr.ParallelBeam(degrees, (rows, COLUMNS), **given)
    kind = pr.FanBeam if beam == "fan" else pr.ConeBeam
    return kind(degrees, (rows, COLUMNS), **given, source_origin=200.0, source_detector=320.0)


def case(seed: int, fault: str | None) -> Case:
    rng = np.random.default_rng(seed * 7919 + sum(map(ord, fault or "sound")))
    round_ = fault == "round"
    beams = ("fan", "cone") if fault in NEED_FAN else ("parallel", "fan", "cone")
    beam = str(rng.choice(("parallel",) if fault in ("mirror", "turned") else beams))
    many = fault == "transposed" or beam == "cone"
    beam = "cone" if fault == "transposed" and beam == "fan" else beam
    rows = ROWS if many else 1
    views, middle = int(rng.integers(36, 110)), (COLUMNS - 1) / 2
    span = 180.0 if beam == "parallel" and rng.random() < 0.6 else 360.0
    off = rng.choice((-1, 1)) * rng.uniform(0, 7)
    if fault in (*NEED_FAN, "axis"):
        off = rng.choice((-1, 1)) * rng.uniform(4, 8)
    cut = rng.random() < 0.2 and not round_
    noise = float(rng.choice((0.005, 0.01, 0.03)))
    true = np.arange(views) * span / views
    stated = true.copy()
    if fault == "repeats":
        true = np.linspace(0, span, views)
    if fault == "missing":
        gone = int(rng.integers(max(2, views // 20), views // 5))
        at = int(rng.integers(views // 4, 3 * views // 4))
        index = np.arange(views) + gone * (np.arange(views) >= at)
        true = index * span / (views + gone) if rng.random() < 0.5 else index * span / views
    center = middle + off
    scan = geometry(beam, true, rows, center)
    coarse = scan.default_grid(int(COLUMNS * 1.4))
    fine = (coarse.shape[0], *(2 * n for n in coarse.shape[1:]))
    half = (coarse.pitch[0], *(p / 2 for p in coarse.pitch[1:]))
    grid = pr.Grid(fine, half, coarse.center)
    y = pr.Projector(scan) @ np.zeros(scan.default_grid().shape, np.float32)
    if fault != "noise":
        y = pr.Projector(scan, grid) @ object_in(grid, rng, 1.25 if cut else 0.72, round_)
    scale = float(np.percentile(y, 99)) or 1.0
    y = (y / scale + rng.normal(0, noise, y.shape)).astype(np.float32)
    given: float | None = center if fault in NEED_FAN or rng.random() < 0.5 else None
    if round_:
        given = None
    words = f"{beam} {views} views of {span:g}°, axis {center:.1f}, noise {noise}, cut {cut}"
    return planted(y, fault, beam, stated, given, rng, words)


def planted(
    y: Any, fault: str | None, beam: str, degrees: Any, center: float | None,
    rng: np.random.Generator, words: str,
) -> Case:  # fmt: skip
    """The case with its fault in what is stated, or in the frames."""
    rows = y.shape[1]
    if fault == "unit":
        degrees = np.degrees(degrees) if rng.random() < 0.5 else np.radians(degrees)
        words += f", stated up to {degrees[-1]:.4g}°"
    elif fault == "span":
        half = degrees[-1] > 200 and (beam != "parallel" or rng.random() < 0.8)
        degrees = degrees / 2 if half else degrees * 2
    elif fault in ("rotation", "turned"):
        degrees = -degrees
    elif fault in ("mirrored", "mirror"):
        y = np.ascontiguousarray(y[:, :, ::-1])
        if fault == "mirror" and center is not None:
            center = COLUMNS - 1 - center
    elif fault == "axis":
        center = (COLUMNS - 1) / 2
    elif fault == "transposed":
        y = np.ascontiguousarray(np.swapaxes(y, 1, 2))
    elif fault == "distances" and rng.random() < 0.5:
        beam = "parallel"  # they are forgotten
    scan = geometry(beam, degrees, rows, (COLUMNS - 1) / 2 if center is None else center)
    if fault == "distances" and beam != "parallel":  # in another unit
        scan = replace(scan, source_origin=2e5, source_detector=3.2e5)
    if fault == "transposed":
        scan = replace(scan, detector_shape=y.shape[1:], center=None)
        center = None
    return Case(y, scan, center, words)


def named(fault: str, found: Any) -> bool:
    if fault in ("mirror", "turned"):
        return not found.faults and any("mirrored" in words for words in found.undecided)
    if fault in BLIND:
        return not found.faults and any("do not change" in words for words in found.undecided)
    return [f.name for f in found.faults] == [fault]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of the first scan of each kind")
    parser.add_argument("--part", type=float, default=1.0, help="of the 90 scans")
    parser.add_argument("--only", default="", help="kinds, a comma between; also sound")
    given = parser.parse_args()
    only = set(filter(None, given.only.split(",")))
    runs = [(kind, k) for kind, n in SEEN.items() for k in range(max(1, round(n * given.part)))]
    runs += [(kind, k) for k, kind in enumerate(BLIND)]
    runs += [("sound", k + 500) for k in range(max(1, round(SOUND * given.part)))]
    right, total, alarms, spent = 0, 0, 0, []
    for kind, k in runs:
        if only and kind not in only:
            continue
        one = case(given.seed + k, None if kind == "sound" else kind)
        begin = time.process_time()
        found = pr.check_geometry(one.y, one.scan, one.center)
        spent.append(time.process_time() - begin)
        if kind == "sound":
            good = not found.faults
            alarms += not good
        else:
            good = named(kind, found)
            right, total = right + good, total + 1
        got = ", ".join(f"{f.name} {f.ratio:.2f} ({f.sure})" for f in found.faults) or "nothing"
        left = {name: round(value, 3) for name, value in found.residuals.items()}
        if not good or given.only:
            mark = "" if good else "  *"
            print(f"  {kind} {k}: {one.words}: {got} {left} {found.column}{mark}", flush=True)
    print(f"{right} of {total} named, {alarms} false alarms; {np.median(spent):.2f} s a scan")


if __name__ == "__main__":
    main()
