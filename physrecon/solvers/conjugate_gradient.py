"""Conjugate gradient on least squares, CGLS: the fastest way down while nothing constrains x.

    q = A p;  α = ‖s‖² / ‖q‖²;  x ← x − α p;  r ← r − α q;  s' = Aᵀ r;  p ← s' + (‖s'‖²/‖s‖²) p

with r = W^½ (A x − y) and W^½ A in place of A.  Hestenes and Stiefel (1952), section 10;
Björck, Numerical Methods for Least Squares Problems (1996), algorithm 7.4.1."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from physrecon import spaces
from physrecon.problem import Problem
from physrecon.solvers.state import VECTOR, State, fresh, ratio, record_change, refuse_likelihood
from physrecon.spaces import Numbers, Vector


@dataclass
class ConjugateGradientState(State):
    """r: the weighted residual (with a fast AᵀWA: the gradient s).  p: the direction.
    gamma: ‖s‖² of each slice."""

    r: Vector = field(metadata=VECTOR)
    p: Vector = field(metadata=VECTOR)
    gamma: Numbers


@dataclass(frozen=True)
class ConjugateGradient:
    """CGLS on LeastSquares, weights included; no prior, no constraint.

    Holds x, p, s (volumes), r and A p (data sets) besides y.  Stop early: on noisy data the
    error of x falls first and rises later, so give a discrepancy or few iterations.  An operator
    with a `normal` of its own is iterated as (AᵀWA) x = AᵀWy, without any data set."""

    name: ClassVar[str] = "cgls"
    state_type: ClassVar[type[State]] = ConjugateGradientState
    takes_prior: ClassVar[bool] = False
    takes_constraint: ClassVar[bool] = False

    def start(self, problem: Problem, x0: Vector = None) -> ConjugateGradientState:
        refuse_likelihood(problem, self, "pull")
        f, fields = problem.f, fresh(problem, x0)
        if f.fast_normal:
            r, _ = f.gradient_and_free_values(fields["x"])
            p = spaces.copy(r)
        else:
            r = f.residual(fields["x"])
            fields["value"] = f.values_of(r)
            p = f.pull(r)
        return ConjugateGradientState(**fields, r=r, p=p, gamma=spaces.dots(p, p, f.axis))

    def advance(self, problem: Problem, state: ConjugateGradientState) -> ConjugateGradientState:
        f, axis, active = problem.f, problem.f.axis, state.active
        one = np.ones(len(active))
        if f.fast_normal:
            q = f.normal.forward(state.p)
            curvature = spaces.dots(state.p, q, axis)
        else:
            q = f.A.forward(state.p)
            f.weigh(q)
            curvature = spaces.dots(q, q, f.data_axis)
        alpha = ratio(state.gamma, curvature)
        spaces.scale_add(state.x, one, -alpha, state.p, axis, active)
        record_change(problem, state, alpha**2 * spaces.dots(state.p, state.p, axis))
        if f.fast_normal:
            spaces.scale_add(state.r, one, -alpha, q, axis, active)
            state.value, s = None, state.r
        else:
            spaces.scale_add(state.r, one, -alpha, q, f.data_axis, active)
            state.value = f.values_of(state.r)
            s = f.pull(state.r, scratch=q)
        gamma = spaces.dots(s, s, axis)
        spaces.scale_add(state.p, ratio(gamma, state.gamma), one, s, axis, active)
        state.gamma = np.where(active, gamma, state.gamma)
        return state
