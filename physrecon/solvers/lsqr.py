"""LSQR: least squares by bidiagonalisation, as fast as CGLS, more stable for ill-conditioned A.

Golub and Kahan's process makes orthonormal u and v with  β u = A v − α u,  α v = Aᵀ u − β v.  Each
step adds a column to a bidiagonal matrix; a plane rotation (c, s) makes the matrix triangular:

    ρ = √(ρ̄² + β²);  c, s = ρ̄/ρ, β/ρ;  x ← x + (c φ̄ / ρ) w;  w ← v − (s α / ρ) w;
    ρ̄ ← −c α;  φ̄ ← s φ̄

φ̄ is the norm of the residual.  A stands for W^½ A; a prior ½ ‖L x‖² appends its rows, [W^½ A; L].
Paige and Saunders, ACM Trans. Math. Softw. 8 (1982) 43."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.arrays import vectors
from physrecon.arrays.vectors import Numbers, Vector
from physrecon.problem import Problem
from physrecon.solvers.refusals import refuse_likelihood
from physrecon.solvers.state import (
    VECTOR,
    ArraysHeld,
    Solver,
    State,
    initial_fields,
    ratio,
    record_change,
)


@dataclass
class LSQRState(State):
    """u: β u.  rows: its part in the range of L, () without a prior.  v: α v.  w: the direction.

    u and v are stored unscaled, which saves two passes.  Of each slice the scalars of the process;
    length: ‖w‖²; scale: the largest α² + β² so far, a lower bound of ‖A‖²; spent: whether only
    rounding is left."""

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
    spent: NDArray[np.bool_]


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
        f, fields, count = problem.f, initial_fields(problem, x0), problem.count
        u, rows = f.residual(fields["x"]), ()
        one = np.ones(count)
        squares = _scale(u, -one, problem.data_axis)
        v = f.adjoint_of_residual(u)
        if problem.quadratic_operator is not None:
            rows = problem.quadratic_operator.forward(fields["x"])
            squares = squares + _scale(rows, -one, problem.quadratic_axis)
            vectors.add(v, problem.quadratic_operator.adjoint(rows))
        beta = np.sqrt(squares)
        alpha = np.sqrt(_scale(v, ratio(1.0, beta), problem.axis))
        w = vectors.copy(v)
        length = _scale(w, ratio(1.0, alpha), problem.axis)
        fields["value"] = 0.5 * squares if problem.quadratic_operator is None else None
        return LSQRState(
            **fields,
            u=u,
            rows=rows,
            v=v,
            w=w,
            alpha=alpha,
            beta=beta,
            rho_bar=alpha,
            phi_bar=beta,
            length=length,
            scale=alpha**2,
            spent=(alpha == 0) | (beta == 0),
        )

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
        news = {
            "alpha": alpha,
            "beta": beta,
            "rho_bar": -cosine * alpha,
            "phi_bar": sine * state.phi_bar,
            "length": length,
            "scale": np.maximum(state.scale, beta**2 + state.alpha**2),
        }
        for name, new in news.items():
            setattr(state, name, np.where(moving, new, getattr(state, name)))
        self._look_for_the_end(state, cosine, moving)
        state.value = 0.5 * state.phi_bar**2 if problem.quadratic_operator is None else None
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

    @staticmethod
    def _look_for_the_end(state: LSQRState, cosine: Numbers, moving: Any) -> None:
        """Mark slices as spent once ‖Aᵀ r‖ = φ̄ α |c| is rounding: further steps would be noise.

        The sum of all α² + β² of the stopping rule of Paige and Saunders (section 6) is an upper
        bound of ‖A‖² that grows with the iterations and would end a long process too early."""
        precision = float(np.finfo(vectors.leaves(state.x)[0].dtype).eps)
        left = state.alpha * np.abs(cosine)
        ended = (left <= precision * np.sqrt(state.scale)) | (state.beta == 0)
        state.spent = np.where(moving, ended, state.spent)


def _scale(y: Vector, factor: Numbers, axis: Any) -> Numbers:
    """y ← factor · y; return the new ‖y‖² of each slice."""
    return vectors.scale_add(y, np.zeros_like(factor), factor, y, axis, np.ones(len(factor), bool))
