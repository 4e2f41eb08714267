"""How often the check of the model tells a planted mismatch, and how often it cries wolf.

100 runs have one mismatch each, 100 have none.  A mismatch counts if it raises χ² by 10 % at least
against the same run without it: of a scan, once a slice has learned all it can; of an image, where
the PSF decides that, of the result.  A weaker one is made stronger.

--fans: 20 and 20 scans of fan and cone beams instead.  --widths: how well the width of a PSF is
found from the image alone, on 20 other scenes.

    python benchmarks/mismatch.py --seed 1000

Seeds of fans that were looked at: 100 to 103, 600 to 628, 2500 to 2519."""

from __future__ import annotations

import argparse
import functools
import itertools
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from mismatch_cases import ImageCase, ScanCase, blurred_scene, image_case, scan_case

from physrecon.jobs.image_job import ImageJob
from physrecon.model_check.check import ModelCheck
from physrecon.pipeline.image.model_check import FrameCheck
from physrecon.pipeline.image.psf import JobPSF
from physrecon.pipeline.image.psf_search import found_parameters
from physrecon.pipeline.scan.measure import SlabData
from physrecon.pipeline.scan.model_check import check_row

SCANS = {
    "axis": 7, "hardening": 6, "scatter": 6, "truncation": 6, "drift": 6, "columns": 6,
    "angles": 7, "moved": 6,
}  # fmt: skip
IMAGES = {"psf-wide": 14, "psf-narrow": 5, "psf-angle": 11, "srgb": 10, "lines": 10}
FANS = {"axis": 4, "hardening": 4, "drift": 4, "columns": 4, "angles": 4}
SCENES = 20  # whose blur is found
SOUND = {"scans": 50, "images": 50, "fans": 20}
RAISED = 1.1  # χ², at least
STRONGER = 1.5  # factor on a mismatch that raises it less
ONE_SIZE = ("srgb",)  # mismatches that have no size: runs that they do not worsen are left out
MOST_SIZE = 30.0  # a run that no mismatch worsens is left out
MOST = {"psf-narrow": 5.1}  # the same: a PSF half as wide as the true one

Make = Callable[..., Any]
fan_case = functools.partial(scan_case, source=True)


def checked(case: ScanCase | ImageCase) -> ModelCheck | None:
    if isinstance(case, ScanCase):
        found = check_row(SlabData(case.rows), case.x, case.row)
    else:
        job = ImageJob(input="a.tif", output="b.tif", psf="c.tif", method="fista", prior="tv")
        part = FrameCheck(job, JobPSF(case.psf, case.center), case.y, 0.0)
        found = part.check(case.x)
    return found and found[0]


def planted(make: Make, kind: str, seed: int) -> tuple[Any, float] | None:
    """(case, χ² by that without) with a mismatch that raises χ² enough; None if none does."""
    scans = make is not image_case
    if scans:
        # without noise: how much of that a slice learns depends on the weights
        parts = [make(seed, kind, 0.0, False, noise).chi2() for noise in (True, False)]
    else:
        parts = [make(seed, kind, 0.0).chi2(), 0.0]
    size = 1.0
    while size < MOST.get(kind, MOST_SIZE):
        if scans:
            raised = 1 + (make(seed, kind, size, False, False).chi2() - parts[1]) / parts[0]
        else:
            raised = make(seed, kind, size).chi2() / parts[0]
        if raised >= RAISED:
            return make(seed, kind, size), raised
        if kind in ONE_SIZE:
            return None
        size *= STRONGER
    return None


def mismatches(make: Make, kind: str, first: int, count: int) -> Iterator[tuple[int, Any, float]]:
    seeds = ((seed, planted(make, kind, seed)) for seed in itertools.count(first))
    found = ((seed, *one) for seed, one in seeds if one is not None)
    return itertools.islice(found, count)


def tell(make: Make, kind: str, first: int, count: int) -> list[int]:
    """[planted, told, right cause first]."""
    told = right = 0
    start, spent = time.perf_counter(), 0.0
    for seed, case, raised in mismatches(make, kind, first, count):
        begin = time.process_time()
        check = checked(case)
        spent += time.process_time() - begin
        causes = {name: round(share, 3) for name, share in check.causes} if check else {}
        told += bool(check and not check.fits)
        right += next(iter(causes), None) == kind
        verdict = "not tested" if check is None else "fits" if check.fits else str(causes)
        print(f"  {kind} {seed}: {case.words}; χ² × {raised:.3g}; {verdict}", flush=True)
    seconds = time.perf_counter() - start
    print(
        f"{kind:10s} {count:3d} planted, {told} told, {right} right first; "
        f"{spent / count:.2f} s of processor a check, {seconds:.0f} s in all",
        flush=True,
    )
    return [count, told, right]


def cry_wolf(make: Make, name: str, first: int, count: int) -> list[int]:
    """[sound, false alarms]."""
    alarms, spent = 0, []
    for seed in range(first, first + count):
        case = make(seed, None, 1.0)
        begin = time.process_time()
        check = checked(case)
        spent.append(time.process_time() - begin)
        if check and not check.fits:
            alarms += 1
            print(f"  sound {seed}: {case.words}: {check.causes}", flush=True)
    print(
        f"sound {name:6s} {count}, {alarms} false alarms; {np.median(spent):.2f} s of processor a "
        f"check, {max(spent):.2f} s at most",
        flush=True,
    )
    return [count, alarms]


def widths(first: int) -> None:
    """How well parameters of a PSF are found from an image alone: SCENES scenes."""
    right = 0
    for seed in range(first, first + SCENES):
        name = ("gaussian", "defocus", "motion")[seed % 3]
        y, own, words = blurred_scene(seed, name)
        wanted = {"gaussian": ["sigma"], "defocus": ["radius"], "motion": ["length", "angle"]}[name]
        begin = time.process_time()
        found, _ = found_parameters(name, y, wanted, {})
        spent = time.process_time() - begin
        values = [found[key] for key in wanted]
        off = values[0] / own[0] - 1
        turned = (values[-1] - own[-1] + 90) % 180 - 90 if name == "motion" else 0.0
        good = abs(off) <= 0.1 and abs(turned) <= 3
        right += good
        print(
            f"  {words}: {off:+.1%}, {turned:+.1f}°{'' if good else '  *'}, {spent:.1f} s",
            flush=True,
        )
    print(f"widths: {right} of {SCENES} within 10 % and 3°")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of the first run of each kind")
    parser.add_argument("--part", type=float, default=1.0, help="of the 200 runs")
    parser.add_argument("--only", default="", help="kinds, a comma between; also scans, images")
    parser.add_argument("--fans", action="store_true", help="fan and cone beams instead")
    parser.add_argument("--widths", action="store_true", help="find PSFs from images instead")
    given = parser.parse_args()
    if given.widths:
        return widths(given.seed)
    only = set(filter(None, given.only.split(",")))
    totals, sound = np.zeros(3, int), np.zeros(2, int)
    rooms: Any = ((scan_case, SCANS, "scans"), (image_case, IMAGES, "images"))
    for make, kinds, name in ((fan_case, FANS, "fans"),) if given.fans else rooms:
        for kind, count in kinds.items():
            if not only or kind in only:
                totals += tell(make, kind, given.seed, max(1, round(given.part * count)))
        if not only or name in only:
            # other seeds: these scenes were not looked at above
            sound += cry_wolf(make, name, given.seed + 500, max(1, round(given.part * SOUND[name])))
    print("all: {} planted, {} told, {} right first".format(*totals))
    print("all: {} sound, {} false alarms".format(*sound))


if __name__ == "__main__":
    main()
