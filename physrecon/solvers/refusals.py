"""Checks of solvers: they refuse unsuited states, likelihoods and operators."""

from __future__ import annotations

from typing import Any

from physrecon.arrays import vectors
from physrecon.catalog import call_of
from physrecon.errors import ArgumentError, brief
from physrecon.likelihoods.base import Likelihood
from physrecon.operators.base import Operator
from physrecon.problem import Problem
from physrecon.solvers.state import Solver, State


def refuse_other_things(
    where: str, problem: Any, solver: Any, stop: Any = None, callback: Any = None
) -> None:
    """Raise ArgumentError for arguments of another type, with what makes the right one."""

    def refuse(expected: str, got: Any, advice: str) -> None:
        raise ArgumentError(f"{where}: expected {expected}, got {brief(got)}{advice}")

    if not isinstance(problem, Problem):
        advice = ""
        if isinstance(problem, Likelihood):
            advice = "; wrap it in pr.Problem(f)"
        elif isinstance(problem, Operator) or hasattr(problem, "shape"):
            advice = "; make one: pr.Problem(pr.LeastSquares(A, y))"
        refuse("a pr.Problem", problem, advice)
    if solver is not None and not isinstance(solver, Solver):
        advice = "; pass pr.SIRT() say"
        if isinstance(solver, str):
            advice = call_of(solver) or advice
        elif isinstance(solver, type) and issubclass(solver, Solver):
            advice = f"; call it: pr.{solver.__name__}()"
        refuse("a solver", solver, advice)
    if stop is not None and (isinstance(stop, type) or not hasattr(stop, "norms")):
        count = stop if vectors.is_whole(stop) else 100
        refuse("a pr.Stop", stop, f"; write pr.Stop(iterations={count})")
    if callback is not None and not callable(callback):
        refuse("a callback that can be called with the state", callback, "")


def refuse_state(problem: Problem, solver: Solver, state: State) -> None:
    """Raise ArgumentError for a state of another solver, shape or dtype."""
    kind = solver.state_type
    if not isinstance(state, kind):
        raise ArgumentError(
            f"{type(solver).__name__}: expected a {kind.__name__}, got {brief(state)}; "
            "go on with the solver that made it"
        )
    model = vectors.leaves(problem.f.y)[0]
    x = vectors.leaves(state.x)
    shapes = vectors.leaf_shapes(problem.f.A.in_shape)
    if [a.shape for a in x] != shapes or any(a.dtype != model.dtype for a in x):
        raise ArgumentError(
            f"{type(solver).__name__}: expected a state with x of {problem.f.A.in_shape} "
            f"{model.dtype}, got {[a.shape for a in x]} {x[0].dtype}; it belongs to another problem"
        )
    if state.data_shape not in (None, problem.f.A.out_shape) or len(state.active) != problem.count:
        raise ArgumentError(
            f"{type(solver).__name__}: expected a state for data of {problem.f.A.out_shape} in "
            f"{problem.count} slices, got one for {state.data_shape} in {len(state.active)}; "
            "it belongs to another problem"
        )


def refuse_likelihood(problem: Problem, solver: Solver, needs: str = "quadratic") -> None:
    """Raise ArgumentError if the likelihood lacks the attribute `needs`, or if it is false."""
    if not getattr(problem.f, needs, False):
        raise ArgumentError(
            f"{type(solver).__name__}: expected LeastSquares, got {type(problem.f).__name__}; "
            "use GradientDescent"
        )


def refuse_negative(problem: Problem, solver: Solver, others: str) -> None:
    """Raise ArgumentError for an operator with negative entries; the message suggests `others`."""
    if not getattr(problem.f.A, "nonnegative", False):
        raise ArgumentError(
            f"{type(solver).__name__}: expected a linear operator without negative entries, got "
            f"{problem.f.A}; use {others}"
        )
