"""SAGA over subsets of the views: each step costs one subset, and its noise vanishes in the limit.

The state holds the slopes gₛ = φ'(Aₛ x) of the last visit to each of n subsets, and G = Σ Aₛᵀ gₛ.
A step draws a subset with replacement:

    d = Aₛᵀ (φ'(Aₛ x) − gₛ);   x ← prox(x − t (n d + G));   G ← G + d

The mean of n d + G is the gradient; its noise vanishes as x converges.  With t = 1/(3 L), L = n
times the largest certified curvature bound of a subset, x converges to the solution (Defazio, Bach
and Lacoste-Julien, NIPS 2014).  The slopes take one data set; SVRG (Johnson and Zhang 2013) holds
two volumes instead and evaluates all data twice as often."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from physrecon.arrays import vectors
from physrecon.arrays.vectors import Numbers, Vector
from physrecon.problem import Problem
from physrecon.solvers import subsets
from physrecon.solvers.refusals import refuse_likelihood
from physrecon.solvers.state import VECTOR, ArraysHeld, State, initial_fields, ratio, step_vector


@dataclass
class SAGAState(State):
    """slopes: gₛ of each subset.  total: G.  bound: L of each slice."""

    slopes: Vector = field(metadata=VECTOR)
    total: Vector = field(metadata=VECTOR)
    bound: Numbers


@dataclass(frozen=True)
class SAGA(subsets.SubsetSolver):
    """Likelihoods of data (views, …) with a Lipschitz bound; smooth priors and proximal maps; any
    constraint that the proximal map supports.

    An iteration has as many steps as there are subsets: about one pass.  f falls on average, not in
    every step.
    subsets: largest number of subsets of the views, axis 0 of the data; None is one per view.
    seed: of the draws, which depend on (seed, iteration) only.

    Holds x, x before the pass, G and one more volume, y, a copy of it cut into subsets, and the
    slopes.

    >>> A = pr.Projector(pr.ParallelBeam(range(0, 180, 12), (1, 9), angle_unit="deg"))
    >>> x = np.zeros((1, 9, 9), np.float32)
    >>> x[0, 3:6, 3:6] = 1
    >>> problem = pr.Problem(pr.LeastSquares(A, A @ x), constraint=pr.NonNegative())
    >>> result = pr.solve(problem, pr.SAGA(subsets=5), stop=pr.Stop(iterations=50))
    >>> bool(abs(result.x - x).max() < 0.05)
    True
    """

    subsets: int | None = 16
    seed: int = 0

    iterations = 20
    state_type = SAGAState
    accepts = ("smooth", "prox")
    holds = ArraysHeld(data=3, volumes=4)

    def start(self, problem: Problem, x0: Vector = None) -> SAGAState:
        refuse_likelihood(problem, self, "data_slopes")
        count = subsets.count(self, problem)
        parts, fields = subsets.likelihoods(problem, count), initial_fields(problem, x0)
        slopes, total = [], vectors.fill(vectors.empty(problem.f.A.in_shape, fields["x"]), 0)
        values = np.zeros(problem.count)
        for f in parts:
            slopes.append(f.A.forward(fields["x"]))
            values = values + problem.gather(f.data_slopes(slopes[-1]))
            vectors.add(total, f.A.adjoint(slopes[-1]))
        fields["value"] = values
        bound = self._bound(problem, parts)
        return SAGAState(**fields, slopes=tuple(slopes), total=total, bound=bound)

    @staticmethod
    def _bound(problem: Problem, parts: list[Any]) -> Numbers:
        """L of each slice: n times the largest curvature bound of a subset, plus the prior's."""
        bounds = np.zeros(problem.count)
        for f in parts:
            own = Problem(f, constraint=problem.constraint).lipschitz
            bounds = np.maximum(bounds, own if problem.separable else own.max(keepdims=True))
        prior = problem.smooth_prior
        smooth = 0 if prior is None else prior.lipschitz(problem.f.A.in_shape)
        return len(parts) * bounds + smooth

    def advance(self, problem: Problem, state: SAGAState) -> SAGAState:
        count = subsets.count(self, problem)
        parts = subsets.likelihoods(problem, count)
        draws = np.random.default_rng((self.seed, state.iteration)).integers(count, size=count)
        before = subsets.remember(problem, state)
        for s in draws.tolist():
            self._step(problem, state, parts[s], state.slopes[s], count)
        subsets.finish(problem, state, before)
        return state

    @staticmethod
    def _step(problem: Problem, state: SAGAState, f: Any, kept: Vector, count: int) -> None:
        active, one = state.active, np.ones(len(state.active))
        p = f.A.forward(state.x, state.scratch(f"{f.A.out_shape[0]} views", f.A.out_shape))
        f.data_slopes(p)
        vectors.scale_add(kept, -one, one, p, problem.data_axis, active)
        d = f.A.adjoint(kept, state.scratch("d", f.A.in_shape))
        vectors.assign(kept, p, problem.data_axis, active)
        vectors.scale_add(state.total, one, one, d, problem.axis, active)
        # n d + G; the new G contains one d already.
        vectors.scale_add(d, (count - 1) * one, one, state.total, problem.axis, active)
        _descend(problem, state, ratio(one / 3, state.bound), d)


def _descend(problem: Problem, state: SAGAState, step: Numbers, d: Vector) -> None:
    """x ← prox(x − step (d + ∇ smooth prior)) in the active slices; overwrites `d`."""
    if problem.smooth_prior is not None:
        problem.smooth_prior.values_and_gradient(state.x, problem.axis, d)
    if problem.prior is None or problem.smooth_prior is not None:
        step_vector(problem, state.x, -step, d, state.active)
        return
    vectors.scale_add(d, -step, np.ones(len(step)), state.x, problem.axis, state.active)
    steps = vectors.per_slice_broadcast(step, problem.f.A.in_shape, problem.axis)
    problem.prior.prox(d, steps, problem.constraint)
    vectors.assign(state.x, d, problem.axis, state.active)
