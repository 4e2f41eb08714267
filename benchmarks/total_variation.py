"""Denoising by total variation beside scikit-image, at the same duality gap.

    python benchmarks/total_variation.py
    python benchmarks/total_variation.py --size 512 --weight 0.1 --gap 1e-4

`denoise_tv_chambolle(f, weight)` minimises  TV(u) + ‖u − f‖² / (2 weight), as
`TotalVariation(weight).prox(f, 1)` does.  Both gaps are measured by one function in NumPy from u
alone and a lower bound: the dual value of a long run.  scikit-image gets the fewest iterations that
reach the gap.  Medians over rounds in which the programs take turns.

Our iteration in 2-D reads u, f and p (2) and writes u and p (2): 7 numbers per pixel, 28 bytes
in float32.  The floor is that many bytes at the copy rate of an array of the same size."""

from __future__ import annotations

import argparse

import numba
import numpy as np
from timing import Table, cores, in_turns, seconds

import physrecon as pr
from physrecon.priors import rof


def objective(u: np.ndarray, f: np.ndarray, weight: float) -> float:
    u = np.asarray(u, np.float64)
    rise = np.zeros((2, *u.shape))
    rise[0, :-1], rise[1, :, :-1] = np.diff(u, axis=0), np.diff(u, axis=1)
    return weight * np.sqrt((rise**2).sum(axis=0)).sum() + 0.5 * ((u - f) ** 2).sum()


def relative_gap(u: np.ndarray, f: np.ndarray, weight: float, lowest: float) -> float:
    """Relative excess of the objective of u over `lowest`, a lower bound of the minimum."""
    value = objective(u, f, weight)
    return (value - lowest) / value


def fewest_iterations(f: np.ndarray, weight: float, gap: float, lowest: float) -> int:
    """Iterations that scikit-image needs to reach the gap, to 5 %."""
    from skimage.restoration import denoise_tv_chambolle

    def enough(iterations: int) -> bool:
        u = denoise_tv_chambolle(f, weight, eps=0, max_num_iter=iterations)
        return relative_gap(u, f, weight, lowest) <= gap

    high = 50
    while not enough(high):
        high *= 2
    low = high // 2
    while high - low > max(1, high // 20):
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def iterations_of(call: object) -> int:
    """Number of iterations in a call of ours."""
    from physrecon.kernels import total_variation

    count, step = 0, total_variation.step

    def counted(*args: object) -> None:
        nonlocal count
        count += 1
        step(*args)

    total_variation.step = counted  # type: ignore[assignment]
    try:
        call()  # type: ignore[operator]
    finally:
        total_variation.step = step
    return count


def main(size: int, weight: float, gap: float, rounds: int) -> None:
    from skimage.restoration import denoise_tv_chambolle

    clean = pr.datasets.shepp_logan((size, size)).astype(np.float64)
    f64 = clean + 0.1 * np.random.default_rng(0).standard_normal(clean.shape)
    f32 = f64.astype(np.float32)
    exact = pr.TotalVariation(weight, tolerance=gap / 100, iterations=10**5).prox(f64.copy(), 1.0)
    lowest = objective(exact, f64, weight) * (1 - gap / 100)
    skimage_iterations = fewest_iterations(f32, weight, gap, lowest)
    prior = pr.TotalVariation(weight, tolerance=gap)

    def ours(f: np.ndarray, threads: int) -> np.ndarray:
        numba.set_num_threads(threads)
        return prior.prox(f.copy(), 1.0)

    def theirs(f: np.ndarray) -> np.ndarray:
        return denoise_tv_chambolle(f, weight, eps=0, max_num_iter=skimage_iterations)

    threads = sorted({1, min(2, cores()), cores()})
    calls = {f"float32, {t} threads": lambda t=t: ours(f32, t) for t in threads}
    calls |= {f"float64, {t} threads": lambda t=t: ours(f64, t) for t in threads}
    calls |= {"skimage float32": lambda: theirs(f32), "skimage float64": lambda: theirs(f64)}
    times = {name: float(np.median(t)) for name, t in in_turns(calls, rounds).items()}
    table = Table(
        (f"TV {size}², weight {weight:g}", "time", "ratio", "gap", "steps", "per step", "floor")
    )
    for name, call in calls.items():
        f = f32 if "32" in name else f64
        reached = relative_gap(call(), f64, weight, lowest)
        peer = times[f"skimage {f.dtype}"]
        steps = skimage_iterations if "skimage" in name else iterations_of(call)
        floor = "" if "skimage" in name else f"{1e3 * copy_seconds(f) * 3.5:.2f} ms"
        table.row(
            name,
            *(f"{1e3 * times[name]:.0f} ms", f"{peer / times[name]:.1f}x", f"{reached:.1e}"),
            *(f"{steps}", f"{1e3 * times[name] / steps:.2f} ms", floor),
        )


def copy_seconds(f: np.ndarray) -> float:
    """Time of a copy of an array like f, by one thread: two numbers per pixel."""
    out = np.empty_like(f)
    return float(np.median([seconds(lambda: np.copyto(out, f)) for _ in range(51)]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--weight", type=float, default=0.1)
    parser.add_argument("--gap", type=float, default=1e-4)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(f"{cores()} cores; the gap is looked at after {rof.FIRST_CHECK} iterations, then seldom")
    main(options.size, options.weight, options.gap, options.rounds)
