"""Damped Gauss–Newton for nonlinear operators and likelihoods that are not quadratic:

    (Jᵀ C J + Lᵀ L + λ) d = −∇F(x),    x ← x + α d

J is the Jacobian of A at x, C the curvature of the likelihood there (for least squares W), L the
operator of a prior ½ ‖L x‖².  Conjugate gradients find d; elements that the gradient holds at a
bound are excluded.  The better the quadratic model predicts the objective, the smaller is the next
λ (Madsen, Nielsen and Tingleff, Methods for Non-Linear Least Squares Problems (2004), section 3.2).
If the full step fails, a line search shortens it and the next λ is larger.  Levenberg, Q. Appl.
Math. 2 (1944) 164; Marquardt, SIAM J. Appl. Math. 11 (1963) 431."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.arrays.vectors import Numbers, Vector
from physrecon.errors import ArgumentError
from physrecon.problem import Problem
from physrecon.solvers.line_search import Step, descent, first_step, inside, keep, projected, search
from physrecon.solvers.refusals import refuse_likelihood
from physrecon.solvers.state import VECTOR, ArraysHeld, Solver, State, initial_fields, ratio

WORSE = 4.0  # factor of λ after a failed full step
LEAST = 1e-3  # least λ after it, in units of the curvature along the step


@dataclass
class GaussNewtonState(State):
    """gradient: ∇F(x).  Of each slice, objective: F(x); damping: λ of the next iteration."""

    descends = True
    gradient: Vector = field(metadata=VECTOR)
    objective: Numbers
    damping: Numbers


class Model:
    """H = Jᵀ C J + Lᵀ L, the curvature of the quadratic model at x."""

    def __init__(self, problem: Problem, state: State) -> None:
        f = problem.f
        self.problem, self.q = problem, state.scratch("q", f.A.out_shape)
        self.roots, self.jacobian = f.A.forward_and_linearize(
            state.x, state.scratch("roots", f.A.out_shape)
        )
        f.data_curvatures(self.roots)
        for leaf in vectors.leaves(self.roots):
            arrays.namespace(leaf).sqrt(leaf, out=leaf)

    def curvature(self, p: Vector) -> Numbers:
        """⟨p, H p⟩ of each slice."""
        problem = self.problem
        self.jacobian.forward(p, self.q)
        vectors.multiply(self.q, self.roots)
        total = vectors.dots(self.q, self.q, problem.data_axis)
        if problem.quadratic_operator is not None:
            self.rows = problem.quadratic_operator.forward(p)
            total = total + vectors.dots(self.rows, self.rows, problem.quadratic_axis)
        return total

    def times(self, out: Vector) -> Vector:
        """out ← H p for the p of the last call of `curvature`."""
        vectors.multiply(self.q, self.roots)
        self.jacobian.adjoint(self.q, out)
        if self.problem.quadratic_operator is not None:
            vectors.add(out, self.problem.quadratic_operator.adjoint(self.rows))
        return out


@dataclass(frozen=True)
class GaussNewton(Solver):
    """Likelihoods with a curvature, A linear or not; quadratic priors, constraints.

    damping: λ at the start, in units of the curvature along the first gradient; λ then adapts in
    each slice.  inner: conjugate gradient iterations per step.  The objective never rises.  Holds
    x, ∇F, d, the trial point, and three volumes of the conjugate gradients; √C, J d and the
    gradient's data set besides y, and the memory of a Jacobian.

    >>> f = pr.LeastSquares(pr.Exponential(2, scale=8.0), np.array([4.0, 2.0]))
    >>> result = pr.solve(pr.Problem(f), pr.GaussNewton(), stop=pr.Stop(iterations=20))
    >>> np.exp(result.x).round(3).tolist()  # 8 / 4, 8 / 2
    [2.0, 4.0]
    """

    damping: float = 1e-3
    inner: int = 10

    iterations = 5
    state_type = GaussNewtonState
    accepts = ("quadratic",)
    holds = ArraysHeld(data=4, volumes=7)

    def __post_init__(self) -> None:
        if not (vectors.is_real(self.damping) and 0 <= self.damping < np.inf):
            raise ArgumentError(
                f"GaussNewton.damping: expected a finite number >= 0, got {self.damping!r}"
            )
        self._check_whole("inner")

    def start(self, problem: Problem, x0: Vector = None) -> GaussNewtonState:
        refuse_likelihood(problem, self, "data_curvatures")
        fields = initial_fields(problem, x0)
        objective, fields["value"], gradient = problem.objective_and_gradient(fields["x"])
        state = GaussNewtonState(
            **fields, gradient=gradient, objective=objective, damping=np.zeros(problem.count)
        )
        squares = vectors.dots(gradient, gradient, problem.axis)
        along = ratio(Model(problem, state).curvature(gradient), squares)
        state.damping = self.damping * along
        return state

    def advance(self, problem: Problem, state: GaussNewtonState) -> GaussNewtonState:
        axis, shape = problem.axis, problem.f.A.in_shape
        model = Model(problem, state)
        squares = vectors.dots(state.gradient, state.gradient, axis)
        across = model.curvature(state.gradient) + state.damping * squares
        reach = np.where(across > 0, squares / across, first_step(state.objective, squares))
        steepest = projected(problem, state, reach, state.scratch("trial", shape))
        free = inside(problem, steepest)
        vectors.subtract(steepest, state.x)
        d = self._solve(problem, state, model, free)
        slope = descent(problem, state, d, steepest, free)
        curvature, length = model.curvature(d), vectors.dots(d, d, axis)
        one = np.ones(len(slope))
        found = search(problem, state, d, slope, state.objective, one)
        state.objective = np.where(state.active, found.objective, state.objective)
        self._trust(state, found, slope, curvature, ratio(curvature, length))
        return state

    def _solve(self, problem: Problem, state: GaussNewtonState, model: Model, free: Any) -> Vector:
        """Solve (H + λ) d = −∇F for d on the free elements; d = 0 on the others."""
        axis, shape, going = problem.axis, problem.f.A.in_shape, state.active
        names = ("direction", "residual", "p", "product")
        d, r, p, product = (state.scratch(name, shape) for name in names)
        one, damping = np.ones(len(going)), state.damping
        vectors.fill(d, 0)
        vectors.assign(r, state.gradient)
        keep(r, free)
        vectors.assign(p, r)
        first = squares = length = vectors.dots(r, r, axis)
        rounding = np.finfo(vectors.leaves(d)[0].dtype).eps ** 2
        for _ in range(self.inner):
            alpha = ratio(squares, model.curvature(p) + damping * length)
            vectors.scale_add(d, one, -alpha, p, axis, going)
            keep(model.times(product), free)
            vectors.scale_add(r, one, -alpha, product, axis, going)
            left = vectors.scale_add(r, one, -alpha * damping, p, axis, going)
            going = going & (left > rounding * first) & (alpha > 0)
            if not going.any():
                break
            length = vectors.scale_add(p, ratio(left, squares), one, r, axis, going)
            squares = left
        return d

    @staticmethod
    def _trust(
        state: GaussNewtonState, found: Step, slope: Numbers, curvature: Numbers, mean: Numbers
    ) -> None:
        """λ of the next iteration, from the ratio of the actual to the predicted decrease.

        The slopes at both ends of the step give the actual decrease.  This is exact for a quadratic
        and avoids the rounding of a difference of objectives.  mean: ⟨d, H d⟩ / ‖d‖²."""
        gain = ratio(slope + found.slope, 2 * slope + found.alpha * curvature)
        good = (found.alpha == 1) & (gain > 0)
        better = state.damping * np.maximum(1 / 3, 1 - (2 * gain - 1) ** 3)
        worse = np.maximum(WORSE * state.damping, LEAST * mean)
        state.damping = np.where(state.active, np.where(good, better, worse), state.damping)
