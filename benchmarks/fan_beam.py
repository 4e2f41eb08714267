"""Fan beams beside ASTRA's `line_fanflat`: projection and its transpose.

    python benchmarks/fan_beam.py [--size 512] [--rounds 5]

size² voxels, as many views over a full turn; milliseconds per slice, medians of rounds in which the
programs take turns, ours of 64 slices and of one.  ASTRA runs one process a core.  Needs
`pip install '.[bench]'`."""

from __future__ import annotations

import argparse

import numba
import numpy as np
from peers import Astra, Case
from timing import Table, cores, in_turns

import physrecon as pr


def calls(case: Case, slices: int) -> dict[str, object]:
    """Both directions, into preallocated memory."""
    scan = pr.FanBeam(
        *(case.angles, (slices, case.size)), angle_unit="rad", pixel_size=(1.0, 1.5),
        source_origin=4 * case.size, source_detector=6 * case.size,
    )  # fmt: skip
    A = pr.Projector(scan)
    x, y = np.ones(A.in_shape, np.float32), np.ones(scan.shape, np.float32)
    sino, volume = np.empty_like(y), np.empty_like(x)
    return {"forward": lambda: A.forward(x, sino), "back": lambda: A.adjoint(y, volume)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    case = Case(chosen.size, chosen.size, fan=True)
    numba.set_num_threads(cores())
    table = Table(("per slice", "physrecon", "of one", "ASTRA", "ratio", "of one"))
    stack, single = calls(case, 64), calls(case, 1)
    with Astra(cores()) as astra:
        for what in ("forward", "back"):
            runs = {"we": stack[what], "one": single[what], "peer": astra.run(case, what)}
            times = in_turns(runs, chosen.rounds)
            we, one, peer = (
                1e3 * float(np.median(times[name])) / slices
                for name, slices in (("we", 64), ("one", 1), ("peer", astra.processes))
            )
            table.row(
                f"{what} {case.size}²", f"{we:.2f} ms", f"{one:.1f} ms", f"{peer:.0f} ms",
                f"{peer / we:.1f}x", f"{peer / one:.1f}x",
            )  # fmt: skip


if __name__ == "__main__":
    main()
