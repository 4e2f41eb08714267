"""argmin_u  r Σ |∇u| + ½ ‖u − f‖²  within bounds (Rudin, Osher & Fatemi 1992), to a certified gap.

For |p| ≤ r and v = f − ∇ᵀp, the duality gap between u and p is

    Σ (r |∇u| − ⟨∇u, p⟩)  +  ½ ‖u − v‖² − ½ ‖P(v) − v‖²,      P the projection on the bounds.

All terms are ≥ 0, and the gap bounds ½ ‖u − argmin‖².  The step τ shrinks like 1/k (Chambolle &
Pock 2011, algorithm 2) down to a small constant, for which over-relaxation converges (Condat
2013)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from physrecon import arrays
from physrecon.arrays.vectors import Numbers
from physrecon.operators.calculus import Lattice
from physrecon.priors.near import Near

RELAX = 1.8  # over-relaxation ρ < 2; 1 in iterations that evaluate the gap, which needs |p| ≤ r
CONVEXITY = 0.5  # strong convexity by which τ shrinks; that of ½ ‖u − f‖² is 1
FIRST_STEP, LAST_STEP = 1.0, 1e-3  # largest and smallest τ; see also `_last_step`
FIRST_CHECK, CHECKS = 8, 8  # iterations between gaps: at least 8, later k / 8
AT_ONCE = 1 << 16, 1 << 24  # voxels solved together: per CPU thread, on a GPU
ROUNDINGS = 1  # rounding errors of u in r |∇u|; a gap below their sum means nothing


@dataclass(frozen=True)
class Denoiser:
    """Solver for problems of one shape that differ in f and r.

    at: lattice of one problem, with one to three axes.  norm: ‖∇‖."""

    at: Lattice
    norm: float
    bounds: tuple[float, float]
    isotropic: bool
    tolerance: float
    iterations: int

    def run(self, f: Any, radii: Numbers, near: Near | None = None) -> None:
        """f (problems, …) ← the solutions; radii r (problems,).  Solves a few at a time.

        near: with one field, p; the gap may be as large as it allows."""
        if self.norm > 0 and f.size:
            for part in parts(f):
                self._solve(f[part], radii[part], near and near.part(part))
        if self.bounds != (-math.inf, math.inf):
            arrays.namespace(f).clip(f, *self.bounds, out=f)

    def _solve(self, f: Any, radii: Numbers, near: Near | None) -> None:
        from physrecon.kernels import stencils, total_variation

        number = f.dtype.type
        data = self.at.flat(f)
        field = (len(self.at.axes) * data.shape[0], *data.shape[1:])
        u, u_next = arrays.like(data), arrays.like(data)
        p_next = arrays.like(data, field)
        radius = beside(radii.astype(f.dtype), f)
        running = np.ones(f.shape[0], bool)
        head = (self.at.scales_in(f.dtype), self.at.layout)
        bounds = tuple(number(b) for b in self.bounds)
        following = next_check if near is None else near.next_check
        if near is None:
            p = arrays.zeros_like(data, field)
            u[...] = data
        else:
            (p,) = near.starts(radii, self.at.flat)
            stencils.adjoint(*head, p, u)
            arrays.namespace(f).clip(data - u, *bounds, out=u)
        tau, check, last_step = FIRST_STEP, following(0), _last_step(f.dtype)
        within_reach = self.tolerance > np.finfo(f.dtype).eps
        for k in range(1, self.iterations + 1):
            look = k in (check, self.iterations)
            theta = 1 / math.sqrt(1 + 2 * CONVEXITY * tau) if tau > last_step else 1.0
            sigma = 1 / (tau * self.norm**2)
            relax = 1.0 if look else RELAX
            steps = tuple(number(s) for s in (tau, sigma, theta, relax - 1, 1 / (1 + tau)))
            state = (radius, beside(running, f), self.isotropic, data)
            total_variation.step(*head, steps, bounds, *state, u, p, p_next, u_next)
            u, u_next, p, p_next = u_next, u, p_next, p
            tau *= theta
            if look:
                check = following(k)
                gaps, values, floors = self._gaps(head, bounds, state, u, p)
                wanted = self.tolerance * values
                wanted = wanted if near is None else np.maximum(wanted, near.allowed(u))
                closed = ~(gaps > wanted + floors)  # NaN ends it, too
                done = running & (closed & within_reach | (k == self.iterations))
                solved = u.reshape(f.shape)
                for i in np.flatnonzero(done):
                    f[i] = solved[i]
                if near is not None:
                    near.keep(np.flatnonzero(done), [p], radii)
                running &= ~done
                if not running.any():
                    return

    def _gaps(self, head: Any, bounds: Any, state: Any, u: Any, p: Any) -> Any:
        """Gap, primal value and rounding error of the gap, per problem."""
        from physrecon.kernels import duality_gap, gradient_norms

        on_gpu, (planes, ny, n) = arrays.is_device(u), u.shape
        shape = (3 * planes, ny, gradient_norms.pieces(n, on_gpu))
        partial = arrays.zeros_like(u, shape) if on_gpu else np.zeros(shape)
        duality_gap.gap(*head, bounds, *state, u, p, partial)
        gaps, values, sizes = per_problem(partial, planes // self.at.view[0], 3)
        floors = ROUNDINGS * float(np.finfo(u.dtype).eps) * sum(self.at.scales) * sizes
        return gaps, values, floors


def parts(f: Any) -> Iterator[slice]:
    """Yield slices of (problems, …) that are solved together; problems are independent."""
    from numba import get_num_threads

    most = AT_ONCE[1] if arrays.is_device(f) else AT_ONCE[0] * get_num_threads()
    step = max(most // max(math.prod(f.shape[1:]), 1), 1)
    for first in range(0, f.shape[0], step):
        yield slice(first, first + step)


def next_check(k: int) -> int:
    """The iteration of the next gap, after a gap at iteration k."""
    return k + max(FIRST_CHECK, k // CHECKS)


def per_problem(array: Any, problems: int, kinds: int) -> Numbers:
    """Sums (kinds, problems) over the kinds · problems parts of an array, in a fixed order."""
    rows = arrays.to_host(array).reshape(kinds, problems, -1)
    return np.array([[np.sum(row, dtype=np.float64) for row in part] for part in rows])


def _last_step(dtype: np.dtype[Any]) -> float:
    """Smallest τ: an iteration corrects an error e of u by τ e, which must exceed rounding."""
    return max(LAST_STEP, float(np.finfo(dtype).eps) ** (1 / 3))


def beside(numbers: np.ndarray, array: Any) -> Any:
    return arrays.to_device(numbers, "cuda" if arrays.is_device(array) else "cpu")
