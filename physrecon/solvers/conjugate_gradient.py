"""Conjugate gradient on least squares, CGLS: the fastest method without a constraint.

    q = A p;  α = ⟨s, z⟩ / ‖q‖²;  x ← x − α p;  r ← r − α q;  s = Aᵀ r;  z = M s;
    p ← z + (⟨s, z⟩ / previous ⟨s, z⟩) p

with r = W^½ (A x − y) and W^½ A in place of A.  A prior ½ ‖L x‖² appends its rows, [W^½ A; L].
M is a positive diagonal preconditioner.  Hestenes and Stiefel (1952), section 10; Björck,
Numerical Methods for Least Squares Problems (1996), algorithms 7.4.1 and 7.4.3."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from physrecon.arrays import vectors
from physrecon.arrays.vectors import Numbers, Vector
from physrecon.errors import ArgumentError
from physrecon.problem import Problem
from physrecon.solvers.refusals import refuse_likelihood
from physrecon.solvers.rounding import is_rounding
from physrecon.solvers.state import (
    VECTOR,
    ArraysHeld,
    Solver,
    State,
    initial_fields,
    ratio,
    record_change,
)

PRECONDITIONERS = ("none", "jacobi")
# ‖Aᵀ r‖ in units of eps ‖A‖ ‖r‖.  Rounding leaves 0.05 to 0.15 of it; at 0.5 the error of x is
# within 1.1 times of what more iterations reach, at 1 within 2.6 times.
ROUNDING = 0.5


@dataclass
class ConjugateGradientState(State):
    """r: the weighted residual (with a fast AᵀWA: the gradient s).  p: the direction.
    rows: L x, () without a prior.  inverse: the diagonal of M, () for M = 1.
    Of each slice, gamma: ⟨s, M s⟩; length: ‖p‖²; squares: ‖r‖² + ‖L x‖²; norm: the largest
    ‖A p‖²/‖p‖² so far, a lower bound of ‖A‖²; least: the least ‖s‖ so far in units of rounding."""

    r: Vector = field(metadata=VECTOR)
    p: Vector = field(metadata=VECTOR)
    rows: Vector = field(metadata=VECTOR)
    inverse: Vector = field(metadata=VECTOR)
    gamma: Numbers
    length: Numbers
    squares: Numbers
    norm: Numbers
    least: Numbers


@dataclass(frozen=True)
class ConjugateGradient(Solver):
    """CGLS on LeastSquares, weights included, with a quadratic prior; no constraint.

    preconditioner: "none", or "jacobi" for A ≥ 0: M = 1 / (AᵀWA 1 + bound of ‖L‖²), which helps if
    the rays cover the voxels unevenly.  Holds x, p, s (volumes), r and A p (data sets) besides y;
    with jacobi one volume more, with a prior twice the range of L.  Stop early: on noisy data the
    error of x falls first and rises later, so give a discrepancy or few iterations.  If A has its
    own `normal`, the solver iterates on (AᵀWA) x = AᵀWy and holds no data set.

    >>> f = pr.LeastSquares(pr.Diagonal([1, 2, 5], (3,)), np.array([3.0, 4.0, 5.0]))
    >>> result = pr.solve(pr.Problem(f), pr.ConjugateGradient(), stop=pr.Stop(iterations=3))
    >>> result.x.round(3).tolist()  # three iterations for three unknowns
    [3.0, 2.0, 1.0]
    """

    preconditioner: str = "none"

    iterations = 20
    state_type = ConjugateGradientState
    accepts = ("quadratic",)
    takes_constraint = False
    holds = ArraysHeld(data=3, volumes=4)

    def __post_init__(self) -> None:
        if self.preconditioner not in PRECONDITIONERS:
            raise ArgumentError(
                f"ConjugateGradient.preconditioner: expected one of {PRECONDITIONERS}, "
                f"got {self.preconditioner!r}"
            )

    def start(self, problem: Problem, x0: Vector = None) -> ConjugateGradientState:
        refuse_likelihood(problem, self)
        f, axis, fields = problem.f, problem.axis, initial_fields(problem, x0)
        x, rows, squares = fields["x"], (), np.full(problem.count, np.inf)
        if f.fast_normal:
            r, _ = problem.gradient_and_free_values(x)
            s = vectors.copy(r)
        else:
            r = f.residual(x)
            fields["value"] = problem.gather(f.values_of(r))
            s = f.adjoint_of_residual(r)
            if problem.quadratic_operator is not None:
                rows = problem.quadratic_operator.forward(x)
                vectors.add(s, problem.quadratic_operator.adjoint(rows))
        inverse = self._inverse(problem, x)
        p = _preconditioned(s, inverse, vectors.empty(f.A.in_shape, x))
        p = vectors.copy(s) if p is s else p
        gamma, length = vectors.dots(s, p, axis), vectors.dots(p, p, axis)
        return ConjugateGradientState(
            **fields,
            r=r,
            p=p,
            rows=rows,
            inverse=inverse,
            gamma=gamma,
            length=length,
            squares=squares,
            norm=np.zeros(problem.count),
            least=np.full(problem.count, np.inf),
        )

    def advance(self, problem: Problem, state: ConjugateGradientState) -> ConjugateGradientState:
        f, axis, active = problem.f, problem.axis, state.active
        one = np.ones(len(active))
        s = state.scratch("s", f.A.in_shape)
        if f.fast_normal:
            q = problem.normal.forward(state.p, s)
            curvature = vectors.dots(state.p, q, axis)
        else:
            q = f.A.forward(state.p, state.scratch("q", f.A.out_shape))
            f.weigh(q)
            curvature = vectors.dots(q, q, problem.data_axis)
            if problem.quadratic_operator is not None:
                across = problem.quadratic_operator.forward(state.p)
                curvature = curvature + vectors.dots(across, across, problem.quadratic_axis)
        alpha = ratio(state.gamma, curvature)
        size = vectors.scale_add(state.x, one, -alpha, state.p, axis, active)
        record_change(state, alpha**2 * state.length, size)
        if f.fast_normal:
            vectors.scale_add(state.r, one, -alpha, q, axis, active)
            state.value, s = None, state.r
            norm = self._norm(state, ratio(curvature, state.length))
            spent = self._is_rounding(problem, state, s, norm**2 * size)
        else:
            squares = vectors.scale_add(state.r, one, -alpha, q, problem.data_axis, active)
            state.value = 0.5 * squares
            f.adjoint_of_residual(state.r, scratch=q, out=s)
            if problem.quadratic_operator is not None:
                squares = squares + vectors.scale_add(
                    state.rows, one, -alpha, across, problem.quadratic_axis, active
                )
                vectors.add(s, problem.quadratic_operator.adjoint(state.rows))
            spent = self._spent(problem, state, s, squares, ratio(curvature, state.length))
        self._turn(problem, state, s, spent)
        return state

    def _spent(
        self,
        problem: Problem,
        state: ConjugateGradientState,
        s: Vector,
        squares: Numbers,
        norm: Numbers,
    ) -> Any:
        """Whether s = Aᵀ r is rounding, so that further directions would be noise.

        The residual tells the end only to √eps: near the minimum it is flat.  A rise beyond
        rounding never happens in exact arithmetic."""
        spent = self._is_rounding(problem, state, s, self._norm(state, norm) * squares)
        spent |= squares > (1 + 4 * _precision(s)) * state.squares
        state.squares = np.where(state.active, squares, state.squares)
        return spent

    @staticmethod
    def _norm(state: ConjugateGradientState, norm: Numbers) -> Numbers:
        """The largest ‖A p‖²/‖p‖² so far."""
        state.norm = np.where(state.active, np.maximum(state.norm, norm), state.norm)
        return state.norm

    @staticmethod
    def _is_rounding(
        problem: Problem, state: ConjugateGradientState, s: Vector, unit: Numbers
    ) -> Any:
        """Whether s is rounding in computations with numbers of norm √unit: ‖A‖ ‖r‖, or, where s
        itself is updated, ‖AᵀA‖ ‖x‖."""
        gradient = np.sqrt(ratio(vectors.dots(s, s, problem.axis), _precision(s) ** 2 * unit))
        found = is_rounding(gradient, state.least, ROUNDING)
        state.least = np.where(state.active, np.minimum(state.least, gradient), state.least)
        return found

    @staticmethod
    def _turn(problem: Problem, state: ConjugateGradientState, s: Vector, spent: Any) -> None:
        """The next direction, from the gradient s; a `spent` slice does not move any more."""
        axis, active = problem.axis, state.active
        z = _preconditioned(s, state.inverse, state.scratch("z", problem.f.A.in_shape))
        gamma = np.where(spent, 0, vectors.dots(s, z, axis))
        beta = ratio(gamma, state.gamma)
        length = vectors.scale_add(state.p, beta, np.ones(len(active)), z, axis, active)
        state.gamma = np.where(active, gamma, state.gamma)
        state.length = np.where(active, length, state.length)

    def _inverse(self, problem: Problem, x: Vector) -> Vector:
        if self.preconditioner == "none":
            return ()
        diagonal = problem.f.curvature(x)
        for leaf in vectors.leaves(diagonal):
            leaf += 0 if problem.prior is None else problem.prior.lipschitz(problem.f.A.in_shape)
        return vectors.reciprocal(diagonal)


def _precision(s: Vector) -> float:
    return float(np.finfo(vectors.leaves(s)[0].dtype).eps)


def _preconditioned(s: Vector, inverse: Vector, memory: Vector) -> Vector:
    """M s in memory, or s itself where M = 1."""
    if not vectors.leaves(inverse):
        return s
    vectors.assign(memory, s)
    vectors.multiply(memory, inverse)
    return memory
