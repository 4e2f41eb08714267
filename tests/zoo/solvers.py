"""Every solver.  A new one is one line here."""

from __future__ import annotations

from typing import Any

import pytest

import physrecon as pr

# Every solver of the package once.
ALL_SOLVERS: list[Any] = [
    pr.Adam(),
    pr.ADMM(steps=1),  # small steps, so that slices stop one by one
    pr.ConjugateGradient(),
    pr.FISTA(),
    pr.GaussNewton(inner=1),  # small steps, so that slices stop one by one
    pr.GradientDescent(),
    pr.Kaczmarz(),
    pr.Landweber(),
    pr.LBFGS(),
    pr.LSQR(),
    pr.MLEM(),
    pr.OSEM(),
    pr.PDHG(),
    pr.RichardsonLucy(),
    pr.RMSprop(),
    pr.SAGA(),
    pr.SART(),
    pr.SIRT(),
]


def problem_for(solver: Any, A: Any, y: Any, constraint: Any = None) -> Any:
    """Least squares, or for the solvers of counts the likelihood of |y|."""
    f = pr.PoissonLikelihood(A, abs(y)) if solver.counts_only else pr.LeastSquares(A, y)
    return pr.Problem(f, constraint=constraint)


# Those that reach the solution of least squares within some thousand cheap iterations.
_OTHERS = ("adam", "kaczmarz", "rmsprop", "saga", "sart")
_SOLVERS = [s for s in ALL_SOLVERS if not (s.counts_only or s.name in _OTHERS)]
_SOLVERS += [pr.GradientDescent(rule="armijo"), pr.GradientDescent(rule="bb")]


def _label(solver: Any) -> str:
    rule = getattr(solver, "rule", "certified")
    return solver.name if rule == "certified" else rule


SOLVERS = [pytest.param(solver, id=_label(solver)) for solver in _SOLVERS]
CONSTRAINED = [pytest.param(s, id=_label(s)) for s in _SOLVERS if s.takes_constraint]
NESTEROV = pr.GradientDescent(rule="nesterov")
# Those of smooth objectives: those that search along a line, and those that do not.
SEARCHING = [
    pytest.param(pr.GradientDescent(rule="armijo"), id="armijo"),
    pytest.param(pr.GradientDescent(rule="bb"), id="bb"),
    pytest.param(pr.LBFGS(), id="lbfgs"),
]
STEPPING = [
    pytest.param(NESTEROV, id="nesterov"),
    pytest.param(pr.Adam(), id="adam"),
    pytest.param(pr.RMSprop(), id="rmsprop"),
]
# Those of priors with a proximal map.
PROXIMAL = [pytest.param(s, id=s.name) for s in (pr.FISTA(), pr.PDHG(), pr.ADMM())]
