"""Richardson–Lucy updates of an image x and its PSF h in alternation:

    x ← x ∘ Aᵀ r / (Aᵀ 1),  A = blur with h;     h ← h ∘ Bᵀ r / (Bᵀ 1 + λ),  B = (h ↦ h ∗ x),

with r = y / (h ∗ x + b).  λ is the Lagrange multiplier that preserves Σ h; neither half ever lowers
the likelihood.  Fish, Brinicombe, Pike and Walker, J. Opt. Soc. Am. A 12 (1995) 58; Holmes, J. Opt.
Soc. Am. A 9 (1992) 1052."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.arrays.vectors import Vector
from physrecon.errors import ArgumentError
from physrecon.likelihoods.expectation import multiply
from physrecon.problem import Problem
from physrecon.solvers.mlem import (
    bounds_of,
    column_sums,
    first,
    first_ratio,
    flat_level,
    without_noise,
)
from physrecon.solvers.state import VECTOR, ArraysHeld, Solver, State, record_change

BISECTIONS = 80  # number of halvings: enough for λ to the last bit of float64


@dataclass
class BlindRichardsonLucyState(State):
    """ratio: y / (h ∗ x + b).  psf: h."""

    ratio: Vector = field(metadata=VECTOR)
    psf: Vector = field(metadata=VECTOR)


@dataclass(frozen=True)
class BlindRichardsonLucy(Solver):
    """A pr.Blur with a first guess of the PSF; PoissonLikelihood, x ≥ 0, bounds on x.

    psf_updates, image_updates: updates per iteration; the image comes first because a flat image
    does not determine the PSF.  symmetric: the PSF equals itself turned by 180°; its sides are odd
    and its centre is in the middle.

    The PSF stays ≥ 0, its shape and sum are preserved, and its zeros remain zero: pad the first
    guess, and make it rather wide.  The result is `result.state.psf`.

    Not certified: the likelihood never falls, but the problem is not convex in both.  A PSF of one
    pixel with the blurred image explains the data too, PSF and image may be shifted against each
    other, and the result depends on the start.

    Holds x, x before the iteration, F and Aᵀ 1, y and the ratio, and the memory of `BlurOfPSF`:
    about three arrays of the padded frame.

    >>> true, guess = pr.psf.gaussian((5, 5), sigma=0.7), pr.psf.gaussian((5, 5), sigma=1.2)
    >>> x = np.ones((15, 15))
    >>> x[3::4, 3::4] = 100
    >>> y = pr.Blur(true, x.shape) @ x
    >>> problem = pr.Problem(pr.PoissonLikelihood(pr.Blur(guess, x.shape), y))
    >>> psf = pr.solve(problem, pr.BlindRichardsonLucy(), stop=pr.Stop(iterations=30)).state.psf
    >>> bool(abs(psf - true).max() < 0.3 * abs(guess - true).max())
    True
    """

    psf_updates: int = 1
    image_updates: int = 5
    symmetric: bool = False

    name = "blind-rl"
    iterations = 20
    state_type = BlindRichardsonLucyState
    counts_only = True
    certified = False
    holds = ArraysHeld(data=2, volumes=7)

    def __post_init__(self) -> None:
        self._check_whole("psf_updates", "image_updates")

    def start(self, problem: Problem, x0: Vector = None) -> BlindRichardsonLucyState:
        self._check(problem)
        A, y = problem.f.A, problem.f.y
        columns = column_sums(self, problem)
        fields = first(self, problem, x0, columns, flat_level(problem, columns))
        ratio, fields["value"] = first_ratio(self, problem, fields["x"])
        psf = arrays.like(y, A.psf.shape)
        psf[...] = arrays.to_device(A.psf.astype(y.dtype), _machine(y))
        return BlindRichardsonLucyState(**fields, ratio=ratio, psf=psf)

    def advance(
        self, problem: Problem, state: BlindRichardsonLucyState
    ) -> BlindRichardsonLucyState:
        f, x = problem.f, state.x
        before = state.scratch("before", f.A.in_shape)
        vectors.assign(before, x)
        A = f.A.with_psf(state.psf)
        columns = without_noise(A.column_sums(f.y), None, A.min_column_sum)
        place = (bounds_of(problem), problem.axis, state.active)
        for _ in range(self.image_updates):
            factor = A.adjoint(state.ratio, state.scratch("factor", A.in_shape))
            multiply(x, factor, columns, None, *place)
            A.forward(x, state.ratio)
            state.value = f.data_ratios(state.ratio)
        B, total = f.A.as_function_of_psf(x), float(f.A.psf.sum())
        sums = arrays.to_host(B.column_sums(f.y)).astype(np.float64)
        for _ in range(self.psf_updates):
            factor = arrays.to_host(B.adjoint(state.ratio)).astype(np.float64)
            old = arrays.to_host(state.psf).astype(np.float64)
            new = self._next_psf(old, factor, sums, total)
            state.psf[...] = arrays.to_device(new.astype(f.y.dtype), _machine(f.y))
            B.forward(state.psf, state.ratio)
            state.value = f.data_ratios(state.ratio)
        record_change(state, vectors.distances(x, before), vectors.dots(x, x))
        return state

    def _next_psf(
        self, psf: np.ndarray, factor: np.ndarray, sums: np.ndarray, total: float
    ) -> np.ndarray:
        if self.symmetric:
            factor, sums = (0.5 * (a + np.flip(a)) for a in (factor, sums))
        return likeliest_of_sum(psf * abs(factor), sums, total)

    def _check(self, problem: Problem) -> None:
        A = problem.f.A
        if not hasattr(A, "as_function_of_psf") or len(A.out_shape) != A.psf.ndim:
            raise ArgumentError(
                f"BlindRichardsonLucy: expected a Blur with a PSF of as many axes as the image, "
                f"got {A}; take one image at a time"
            )
        middle = tuple((k - 1) / 2 for k in A.psf.shape)
        if self.symmetric and (A.center != middle or not np.allclose(A.psf, np.flip(A.psf))):
            raise ArgumentError(
                f"BlindRichardsonLucy.symmetric: expected a symmetric PSF of odd sides with its "
                f"centre in the middle, got {A.psf.shape} with its centre at {A.center}; crop it"
            )


def likeliest_of_sum(e: np.ndarray, a: np.ndarray, total: float) -> np.ndarray:
    """h ≥ 0 that minimises  Σ a h − e log h  with Σ h = total:  h = e / (a + λ).

    λ lies between Σ e / total − max a and Σ e / total − min a, the solutions for constant a."""
    seen = e > 0
    if not seen.any():
        return e
    some, columns = e[seen], a[seen]
    low, high = some.sum() / total - columns.max(), some.sum() / total - columns.min()
    low = max(low, -columns.min())
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        with np.errstate(divide="ignore"):
            too_much = (some / (columns + middle)).sum() > total
        low, high = (middle, high) if too_much else (low, middle)
    h = np.zeros_like(e)
    h[seen] = some / (columns + high)
    return h


def _machine(array: Any) -> str:
    return "cuda" if arrays.is_device(array) else "cpu"
