"""The solver that suits a problem, for those who leave the choice to us."""

from __future__ import annotations

from physrecon.errors import ArgumentError
from physrecon.problem import Problem
from physrecon.solvers.state import Solver, suits


def suited(problem: Problem) -> Solver:
    """A solver that can honour the prior and the constraint, the fastest by our measurements.

    Conjugate gradient for unconstrained least squares with quadratic priors, FISTA where the prior
    has a proximal map and f a Lipschitz bound, PDHG for other convex problems, L-BFGS for smooth
    ones.  ArgumentError where none fits."""
    from physrecon.solvers import METHODS

    f, prior, constraint = problem.f, problem.prior, problem.constraint
    for name in ("cgls", "fista", "pdhg", "lbfgs"):
        solver = METHODS[name]()
        if prior is not None and not suits(solver, prior):
            continue
        if constraint is not None and not solver.takes_constraint:
            continue
        if name == "cgls" and not (hasattr(f, "pull") and hasattr(f.A, "normal")):
            continue
        if name == "fista":
            if prior is not None and not prior.has_prox(f.A.in_shape, constraint):
                continue
            try:
                problem.lipschitz  # noqa: B018
            except ArgumentError:
                continue
        if name == "pdhg" and not problem.has_dual:
            continue
        return solver
    raise ArgumentError(
        f"suited: expected a problem that one of our solvers can honour, got {problem}; name one"
    )
