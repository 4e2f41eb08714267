"""The method of Richardson and Lucy, accelerated, with an optional prior:

    u = argmin Σ a u − x F log u + g (u − x) + ½ c (u − x)²,   F = Aᵀ (y / (A x + b)),  a = Aᵀ 1
    x ← u + α (u − u'),   with u' the u of the iteration before

g and c are slope and curvature of a parabola that touches the prior at x from above.  Without a
prior u = x F / a (Richardson, J. Opt. Soc. Am. 62 (1972) 55; Lucy, Astron. J. 79 (1974) 745).  The
sum touches f + prior at x from above, so for any weight of the prior u ≥ 0 and the objective falls
(De Pierro, IEEE Trans. Med. Imaging 14 (1995) 132).  Dey et al., Microsc. Res. Tech. 69 (2006) 260,
divide x F by a + g at the old x instead, "one step late" (Green 1990); that quotient turns negative
or diverges if g ≤ −a.

α = ⟨d, d'⟩ / ⟨d', d'⟩ of the steps d = u − x of this iteration and the last, clipped to [0, 1]
(Biggs and Andrews, Appl. Opt. 36 (1997) 1766).  The predicted data of x also give the objective.
If it has risen, x ← u and the next α is 0, so the objective never rises.  The extrapolation takes
no voxel below u/2, so none is trapped at 0."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from physrecon.arrays import vectors
from physrecon.arrays.vectors import Numbers, Vector
from physrecon.likelihoods.expectation import Surrogate, extrapolate, multiply, propose
from physrecon.problem import Problem
from physrecon.solvers.mlem import bounds_of, column_sums, first, first_ratio, flat_level, predict
from physrecon.solvers.state import VECTOR, ArraysHeld, Solver, State, ratio, record_change


@dataclass
class RichardsonLucyState(State):
    """ratio: y / (A x + b).  columns: Aᵀ 1, broadcastable against x.

    Of each slice, level: of the flat image that explains the counts; penalty: the prior.  If
    accelerated, before: u; last: u − x; length: ‖u − x‖², 0 if the next α shall be 0."""

    ratio: Vector = field(metadata=VECTOR)
    columns: Vector = field(metadata=VECTOR)
    before: Vector = field(metadata=VECTOR)
    last: Vector = field(metadata=VECTOR)
    level: Numbers
    penalty: Numbers
    length: Numbers


@dataclass(frozen=True)
class RichardsonLucy(Solver):
    """PoissonLikelihood and PoissonGaussianLikelihood, x ≥ 0, bounds on x; priors by surrogates.

    accelerate: reach the same likelihood in about a third of the iterations of the plain method.
    Slices that are separate problems have their own α.

    The default x0 is the flat image that explains the counts beyond the background.  A kink, such
    as that of TotalVariation, is smoothed: the objective has HuberTV with δ = 1 % of that image.
    Voxels that no datum sees stay as in x0, or zero without x0.  Zeros of x0 stay zero unless a
    prior moves them.

    Holds x, F and Aᵀ 1 (a slice if A treats all alike), two volumes more if accelerated and two
    more with a prior, y and the ratio.  Stop early on noisy data, or give a discrepancy.

    >>> A = pr.Blur(pr.psf.gaussian((5, 5), sigma=1), (15, 15), boundary="reflect")
    >>> x = np.ones((15, 15))
    >>> x[7, 7] = 100
    >>> y = A @ x
    >>> problem = pr.Problem(pr.PoissonLikelihood(A, y))
    >>> result = pr.solve(problem, pr.RichardsonLucy(), stop=pr.Stop(iterations=50))
    >>> bool(result.x.max() > 4 * y.max()), f"{result.x.sum() / x.sum():.3f}"  # no light is lost
    (True, '1.000')
    """

    accelerate: bool = True

    iterations = 20
    state_type = RichardsonLucyState
    accepts = ("surrogate",)
    counts_only = True
    holds = ArraysHeld(data=2, volumes=5)

    def __post_init__(self) -> None:
        if not self.accelerate:
            object.__setattr__(self, "holds", ArraysHeld(data=2, volumes=3))

    def start(self, problem: Problem, x0: Vector = None) -> RichardsonLucyState:
        columns = column_sums(self, problem)
        level = flat_level(problem, columns)
        fields = first(self, problem, x0, columns, level)
        count, x = problem.count, fields["x"]
        y_ratio, fields["value"] = first_ratio(self, problem, x)
        state = RichardsonLucyState(
            **fields,
            ratio=y_ratio,
            columns=columns,
            before=vectors.copy(x) if self.accelerate else (),
            last=vectors.fill(vectors.copy(x), 0) if self.accelerate else (),
            level=np.where(level > 0, level, 1),
            penalty=np.zeros(count),
            length=np.zeros(count),
        )
        state.penalty = self._penalty(problem, state)
        return state

    def advance(self, problem: Problem, state: RichardsonLucyState) -> RichardsonLucyState:
        A = problem.f.A
        factor = A.adjoint(state.ratio, state.scratch("factor", A.in_shape))
        parts = (state.x, factor, state.columns, self._surrogate(problem, state))
        place = (bounds_of(problem), problem.axis, state.active)
        if not self.accelerate:
            record_change(state, *multiply(*parts, *place))
            self._look(problem, state)
            return state
        along, length = propose(*parts, *place, state.last)
        alpha = np.clip(ratio(along, state.length), 0, 1)
        moved, size = extrapolate(state.x, factor, alpha, *place, state.before)
        old = objective(state)
        self._look(problem, state)
        risen = state.active & (alpha > 0) & ~(objective(state) <= old)
        if risen.any():
            vectors.assign(state.x, state.before, problem.axis, risen)
            moved = np.where(risen, length, moved)
            size = np.where(risen, vectors.dots(state.x, state.x, problem.axis), size)
            self._look(problem, state)
        length = np.where(risen, 0, length)
        state.length = np.where(state.active, length, state.length)
        record_change(state, moved, size)
        return state

    def _surrogate(self, problem: Problem, state: RichardsonLucyState) -> Surrogate:
        """g and c of the prior at x."""
        if problem.prior is None:
            return None
        shape = problem.f.A.in_shape
        g, c = (vectors.fill(state.scratch(name, shape), 0) for name in ("gradient", "curvature"))
        problem.prior.surrogate(state.x, problem.axis, state.level, g, c)
        return g, c

    def _look(self, problem: Problem, state: RichardsonLucyState) -> None:
        """Evaluate the ratio, the likelihood and the prior at x."""
        state.value = predict(problem, state.x, state.ratio)
        state.penalty = self._penalty(problem, state)

    def _penalty(self, problem: Problem, state: RichardsonLucyState) -> Numbers:
        if problem.prior is None:
            return state.penalty
        return problem.prior.surrogate_values(state.x, problem.axis, state.level)


def objective(state: RichardsonLucyState) -> Numbers:
    """f + prior at x."""
    assert state.value is not None
    return state.value + state.penalty
