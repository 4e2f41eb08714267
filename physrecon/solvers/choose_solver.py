"""The choice of a solver for a problem, and the check that a solver can use it."""

from __future__ import annotations

from typing import Any

from physrecon.catalog import SOLVERS, find, find_all
from physrecon.errors import ArgumentError, brief
from physrecon.problem import Problem
from physrecon.solvers.state import Solver, can_use


def choose_solver(problem: Problem) -> Solver:
    """The solver that was fastest in our measurements among those that suit the problem.

    Conjugate gradient for unconstrained least squares with quadratic priors; FISTA if the prior has
    a proximal map and f a Lipschitz bound; PDHG for other convex problems and for priors that it
    takes without an inner iteration over a second variable; L-BFGS for smooth ones.
    Raises ArgumentError if none suits."""
    f, prior, constraint = problem.f, problem.prior, problem.constraint
    for name in ("cgls", "fista", "pdhg", "lbfgs"):
        solver = find(SOLVERS, name)()
        if prior is not None and not can_use(solver, prior):
            continue
        if constraint is not None and not solver.takes_constraint:
            continue
        if name == "cgls" and not (f.quadratic and hasattr(f.A, "normal")):
            continue
        if name == "fista":
            if prior is not None and not prior.has_prox(f.A.in_shape, constraint):
                continue
            if prior is not None and "infimal" in prior.capabilities and problem.has_dual:
                continue
            try:
                problem.lipschitz  # noqa: B018
            except ArgumentError:
                continue
        if name == "pdhg" and not problem.has_dual:
            continue
        return solver
    raise ArgumentError(
        "choose_solver: expected a problem that one of our solvers can honour, got "
        f"{brief(problem)}; name one"
    )


def refuse_unsuited(problem: Problem, solver: Solver) -> None:
    """Raise ArgumentError if the solver cannot use the prior or constraint; list those that can."""
    solvers = find_all(SOLVERS).values()

    def refuse(part: str, given: Any, able: list[str]) -> None:
        raise ArgumentError(
            f"{type(solver).__name__}: expected a problem without {part}, got {given!r}; "
            f"solvers that take one: {', '.join(able) or 'none'}"
        )

    if problem.prior is not None and not can_use(solver, problem.prior):
        able = [m.__name__ for m in solvers if can_use(m, problem.prior)]
        refuse(f"a {type(problem.prior).__name__} prior", problem.prior, able)
    if problem.constraint is not None and not solver.takes_constraint:
        able = [m.__name__ for m in solvers if m.takes_constraint]
        refuse("constraint", problem.constraint, able)
