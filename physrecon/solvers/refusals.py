"""Checks of solvers: they refuse unsuited states, likelihoods and operators."""

from __future__ import annotations

from physrecon.arrays import vectors
from physrecon.errors import ArgumentError
from physrecon.problem import Problem
from physrecon.solvers.state import Solver, State


def refuse_state(problem: Problem, solver: Solver, state: State) -> None:
    """Raise ArgumentError for a state of another solver, shape or dtype."""
    kind = solver.state_type
    if not isinstance(state, kind):
        raise ArgumentError(
            f"{type(solver).__name__}: expected a {kind.__name__}, got {type(state).__name__}; "
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
