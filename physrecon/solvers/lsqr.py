"""LSQR: least squares by bidiagonalisation, as fast as CGLS, more stable for ill-conditioned A.

Golub and Kahan's process makes orthonormal u and v with  β u = A v − α u,  α v = Aᵀ u − β v.  Each
step adds a column to a bidiagonal matrix; a plane rotation (c, s) makes the matrix triangular:

    ρ = √(ρ̄² + β²);  c, s = ρ̄/ρ, β/ρ;  x ← x + (c φ̄ / ρ) w;  w ← v − (s α / ρ) w;
    ρ̄ ← −c α;  φ̄ ← s φ̄

φ̄ is the norm of the residual.  A stands for W^½ A; a prior ½ ‖L x‖² appends its rows, [W^½ A; L].
Paige and Saunders, ACM Trans. Math. Softw. 8 (1982) 43.

The process never looks at y − A x again, so x keeps the rounding of every w.  Where the process
ends, it therefore begins once more, from the true residual: one step of iterative refinement (Golub
and Wilkinson, Numer. Math. 9 (1966) 139)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.arrays import vectors
from physrecon.arrays.vectors import Numbers, Vector
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

# ‖Aᵀ r‖ in units of eps ‖A‖ ‖r‖ where the process, and its refinement, end.  With smaller ones the
# process follows rounding into the null space of A, and x grows without bound.
ENDS, REFINED = 1.0, 0.5
PROCESS = ("alpha", "beta", "rho_bar", "phi_bar", "length", "scale")


@dataclass
class LSQRState(State):
    """u: β u.  rows: its part in the range of L, () without a prior.  v: α v.  w: the direction.

    u and v are stored unscaled, which saves two passes.  Of each slice the scalars of the process;
    length: ‖w‖²; scale: the largest α² + β² so far, a lower bound of ‖A‖²; least: the least
    ‖Aᵀ r‖ so far in units of eps ‖A‖ ‖r‖; refined: whether the
    process has begun again from y − A x; spent: whether only rounding is left."""

    u: Vector = field(metadata=VECTOR)
    rows: Vector = field(metadata=VECTOR)
    v: Vector = field(metadata=VECTOR)
    w: Vector = field(metadata=VECTOR)
    alpha: Numbers
    beta: Numbers
    rho_bar: Numbers
    phi_bar: Numbers
    length: Numbers
    scale: Numbers
    least: Numbers
    refined: NDArray[np.bool_]
    spent: NDArray[np.bool_]

    def assign_numbers(self, which: Any, *new: Numbers) -> None:
        """The scalars of the process of the slices `which`, in the order of `PROCESS`."""
        for name, numbers in zip(PROCESS, new, strict=True):
            setattr(self, name, np.where(which, numbers, getattr(self, name)))


@dataclass(frozen=True)
class LSQR(Solver):
    """Least squares, weights included, with a quadratic prior; no constraint.

    Holds x, v, w and Aᵀ u (volumes), u and A v (data sets) besides y; with a prior twice the range
    of L.  Stop early on noisy data, as with ConjugateGradient.  Without a prior f(x) costs nothing
    extra.

    >>> f = pr.LeastSquares(pr.Diagonal([1, 2, 5], (3,)), np.array([3.0, 4.0, 5.0]))
    >>> result = pr.solve(pr.Problem(f), pr.LSQR(), stop=pr.Stop(iterations=3))
    >>> result.x.round(3).tolist()
    [3.0, 2.0, 1.0]
    """

    iterations = 20
    state_type = LSQRState
    accepts = ("quadratic",)
    takes_constraint = False
    holds = ArraysHeld(data=3, volumes=4)

    def start(self, problem: Problem, x0: Vector = None) -> LSQRState:
        refuse_likelihood(problem, self)
        f, fields, none = problem.f, initial_fields(problem, x0), np.zeros(problem.count, bool)
        x = fields["x"]
        numbers: dict[str, Any] = dict.fromkeys(PROCESS, np.zeros(len(none)))
        state = LSQRState(
            **fields,
            u=vectors.empty(f.A.out_shape, x),
            rows=() if (L := problem.quadratic_operator) is None else L.forward(x),
            v=vectors.empty(f.A.in_shape, x),
            w=vectors.empty(f.A.in_shape, x),
            **numbers,
            least=np.full(problem.count, np.inf),
            refined=none,
            spent=none,
        )
        self._begin(problem, state, ~none)
        return state

    @staticmethod
    def _begin(problem: Problem, state: LSQRState, which: Any) -> None:
        """Begin the process at x in the slices `which`: u ← y − A x;  v, w ← Aᵀ u."""
        f, L, axis = problem.f, problem.quadratic_operator, problem.axis
        q, minus = state.scratch("q", f.A.out_shape), -np.ones(len(which))
        vectors.assign(state.u, f.residual(state.x, out=q), problem.data_axis, which)
        squares = _scale(state.u, minus, problem.data_axis, which)
        s = f.adjoint_of_residual(state.u, scratch=q, out=state.scratch("s", f.A.in_shape))
        if L is not None:
            vectors.assign(state.rows, L.forward(state.x), problem.quadratic_axis, which)
            squares = squares + _scale(state.rows, minus, problem.quadratic_axis, which)
            vectors.add(s, L.adjoint(state.rows))
        beta = np.sqrt(squares)
        vectors.assign(state.v, s, axis, which)
        alpha = np.sqrt(_scale(state.v, ratio(1.0, beta), axis, which))
        vectors.assign(state.w, state.v, axis, which)
        length = _scale(state.w, ratio(1.0, alpha), axis, which)
        scale = np.maximum(state.scale, alpha**2)
        state.assign_numbers(which, alpha, beta, alpha, beta, length, scale)
        state.least = np.where(which, np.inf, state.least)
        spent = _is_rounding(state, alpha, REFINED, which) | (beta == 0)
        state.spent = np.where(which, spent, state.spent)
        state.value = 0.5 * state.phi_bar**2 if L is None else None

    def advance(self, problem: Problem, state: LSQRState) -> LSQRState:
        moving = state.active & ~state.spent
        beta = self._next_u(problem, state, moving)
        rho = np.hypot(state.rho_bar, beta)
        cosine, sine = ratio(state.rho_bar, rho), ratio(beta, rho)
        step = ratio(cosine * state.phi_bar, rho)
        one = np.ones(len(step))
        size = vectors.scale_add(state.x, one, step, state.w, problem.axis, moving)
        record_change(state, np.where(moving, step**2 * state.length, 0), size)
        alpha = self._next_v(problem, state, beta, moving)
        length = vectors.scale_add(
            state.w, -ratio(sine * alpha, rho), ratio(1.0, alpha), state.v, problem.axis, moving
        )
        scale = np.maximum(state.scale, beta**2 + state.alpha**2)
        phi_bar = sine * state.phi_bar
        state.assign_numbers(moving, alpha, beta, -cosine * alpha, phi_bar, length, scale)
        state.value = 0.5 * state.phi_bar**2 if problem.quadratic_operator is None else None
        self._look_for_the_end(problem, state, moving)
        return state

    @staticmethod
    def _next_u(problem: Problem, state: LSQRState, moving: Any) -> Numbers:
        """β u ← A v − α u; return its norm β of each slice."""
        f = problem.f
        old, new = -ratio(state.alpha, state.beta), ratio(1.0, state.alpha)
        q = f.A.forward(state.v, state.scratch("q", f.A.out_shape))
        f.weigh(q)
        squares = vectors.scale_add(state.u, old, new, q, problem.data_axis, moving)
        if problem.quadratic_operator is not None:
            across = problem.quadratic_operator.forward(state.v)
            squares = squares + vectors.scale_add(
                state.rows, old, new, across, problem.quadratic_axis, moving
            )
        return np.sqrt(squares)

    @staticmethod
    def _next_v(problem: Problem, state: LSQRState, beta: Numbers, moving: Any) -> Numbers:
        """α v ← Aᵀ u − β v; return its norm α of each slice."""
        f = problem.f
        q = state.scratch("q", f.A.out_shape)
        s = f.adjoint_of_residual(state.u, scratch=q, out=state.scratch("s", f.A.in_shape))
        if problem.quadratic_operator is not None:
            vectors.add(s, problem.quadratic_operator.adjoint(state.rows))
        old, new = -ratio(beta, state.alpha), ratio(1.0, beta)
        return np.sqrt(vectors.scale_add(state.v, old, new, s, problem.axis, moving))

    def _look_for_the_end(self, problem: Problem, state: LSQRState, moving: Any) -> None:
        """Refine slices, then mark them as spent, once ‖Aᵀ r‖ = φ̄ α |c| is rounding.

        Further steps would be noise.  The sum of all α² + β² of the stopping rule of Paige and
        Saunders (section 6) is an upper bound of ‖A‖² that grows with the iterations and would end
        a long process too early."""
        left = np.abs(state.rho_bar)  # α |c|
        ends = np.where(state.refined, REFINED, ENDS)
        ended = _is_rounding(state, left, ends, moving) | (state.beta == 0)
        ended &= moving
        state.spent = state.spent | (ended & state.refined)
        again = ended & ~state.refined
        state.refined = state.refined | again
        if again.any():
            self._begin(problem, state, again)


def _is_rounding(state: LSQRState, left: Numbers, ends: Any, which: Any) -> Any:
    """Whether ‖Aᵀ r‖ / ‖r‖ = left is rounding; false where the process diverges."""
    precision = float(np.finfo(vectors.leaves(state.x)[0].dtype).eps)
    gradient = ratio(left, precision * np.sqrt(state.scale))
    found = is_rounding(gradient, state.least, ends) & np.isfinite(state.scale)
    state.least = np.where(which, np.minimum(state.least, gradient), state.least)
    return found


def _scale(y: Vector, factor: Numbers, axis: Any, which: Any) -> Numbers:
    """y ← factor · y in the slices `which`; return ‖y‖² of each slice."""
    return vectors.scale_add(y, np.zeros_like(factor), factor, y, axis, which)
