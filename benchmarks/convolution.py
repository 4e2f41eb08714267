"""Direct convolution and convolution by transforms, and a check of the rule that chooses one.

    python benchmarks/convolution.py                     64×512×512 and 2048×2048
    python benchmarks/convolution.py --shape 32,256,256 --sides 5,15,31 --rounds 7

Float32, zero beyond the frame, medians over rounds in which the methods take turns.  Every PSF is
applied as one separable term, directly if it is small, and by transforms.  Printed are nanoseconds
of a core per element of the frame, measured and predicted by the rule.  `terms` is the number of
separable terms that are quicker than transforms, measured and predicted.  The floor is the time of
the multiply-adds at the rate of the machine's matrix product."""

from __future__ import annotations

import argparse
import math

import numba
import numpy as np
from timing import Table, cores, in_turns, multiply_rate

from physrecon.arrays.device import aligned_empty
from physrecon.operators.blur.direct import (
    DenseConvolution,
    DirectConvolution,
    dense_cost,
    fourier_cost,
    separable_cost,
)
from physrecon.operators.blur.fourier import FourierConvolution

SMALL = 1000  # elements; a larger PSF is not applied directly


def compare(shape: tuple[int, ...], side: int, threads: int, rounds: int, table: Table) -> None:
    rng = np.random.default_rng(0)
    sides, shift = (side,) * len(shape), (side // 2,) * len(shape)
    taps = tuple(rng.random(side) / side for _ in shape)
    psf = rng.random(sides) / side ** len(shape)
    x, out = aligned_empty(shape, np.float32), aligned_empty(shape, np.float32)
    x[...] = rng.random(shape, np.float32)
    transforms = FourierConvolution(psf, shape, shape, shift)
    engines = {
        "one term": (
            DirectConvolution([taps], shape, shape, shift),
            separable_cost(1, sides, shape, shape),
        ),
        "as it is": (DenseConvolution(psf, shape, shape, shift), dense_cost(sides, shape)),
        "transforms": (transforms, fourier_cost(transforms.lengths)),
    }
    if psf.size > SMALL:
        del engines["as it is"]
    calls = {name: lambda e=engine: e.convolve(x, out) for name, (engine, _) in engines.items()}
    seconds = {name: float(np.median(t)) for name, t in in_turns(calls, rounds).items()}
    for name, (_, foretold) in engines.items():
        measured = seconds[name] * threads * 1e9
        few = ""
        if name == "one term":
            by_rule = engines["transforms"][1] / foretold
            few = f"{seconds['transforms'] / seconds[name]:.1f} ({by_rule:.1f})"
        table.row(
            f"{'×'.join(map(str, shape))}, {side}: {name}",
            f"{1e3 * seconds[name]:.1f} ms",
            f"{measured / x.size:.2f} ns",
            f"{foretold / x.size:.2f} ns",
            few,
        )


def main(shapes: list[tuple[int, ...]], sides: list[int], threads: int, rounds: int) -> None:
    numba.set_num_threads(threads)
    rate = multiply_rate()
    print(f"{threads} of {cores()} cores; matrix product {rate / 1e9:.0f} Gflop/s")
    table = Table(("frame, PSF", "time", "core·ns/voxel", "foretold", "terms (rule)"))
    for shape in shapes:
        for side in sides:
            compare(shape, side, threads, rounds, table)
        floor = 2 * math.prod(shape) * len(shape) * max(sides) / rate
        print(f"    floor of one term of {max(sides)}: {1e3 * floor:.1f} ms")


def lengths(text: str) -> tuple[int, ...]:
    return tuple(int(n) for n in text.split(","))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", type=lengths, action="append", help="z,y,x or y,x")
    parser.add_argument("--sides", type=lengths, default=(3, 7, 15, 31))
    parser.add_argument("--threads", type=int, default=min(2, cores()))
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    frames = options.shape or [(64, 512, 512), (2048, 2048)]
    main(frames, options.sides, options.threads, options.rounds)
