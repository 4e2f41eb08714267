"""Subsets of the views, for solvers that use one subset at a time: their cut and their order.

Subset s of n has the views s, s + n, s + 2n, …, which cover all directions.  Neighbouring views are
nearly redundant, so successive subsets should be far apart in angle.  In the golden order the k-th
subset is the one nearest to the fraction k (√5 − 1)/2 mod 1 of the cycle (Köhler, IEEE Nucl. Sci.
Symp. 2004, 3961)."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from physrecon.arrays import vectors
from physrecon.arrays.vectors import Vector
from physrecon.errors import ArgumentError
from physrecon.problem import Problem
from physrecon.solvers.state import Solver, State, record_change

ORDERS = ("golden", "sequential", "random")
GOLDEN = (5**0.5 - 1) / 2

# Cache: operator or likelihood → number of subsets → its parts.
_CUT: WeakKeyDictionary[Any, dict[int, list[Any]]] = WeakKeyDictionary()


def count(solver: Any, problem: Problem) -> int:
    """The number of subsets: `solver.subsets` or one per view, at most the number of views.

    Views are axis 0 of the data.  Raises ArgumentError for other data and for nonlinear A."""
    A, name = problem.f.A, type(solver).__name__
    shape = A.out_shape
    if not hasattr(A, "adjoint"):
        raise ArgumentError(f"{name}: expected a linear operator, got {A}; use LBFGS")
    if vectors.is_product(shape) or not shape or problem.f.data_axis == 0:
        raise ArgumentError(
            f"{name}: expected data (views, …) with the slices along another axis, got {A}; "
            "use a solver that takes all data at once, such as ConjugateGradient or FISTA"
        )
    return shape[0] if solver.subsets is None else min(solver.subsets, shape[0])


def members(subset: int, subsets: int) -> slice:
    """The views of a subset."""
    return slice(subset, None, subsets)


def operators(problem: Problem, subsets: int) -> list[Any]:
    """The operator of each subset."""
    A = problem.f.A
    return _parts(A, subsets, A.__getitem__)


def likelihoods(problem: Problem, subsets: int) -> list[Any]:
    """The likelihood of each subset; if there is more than one, they hold copies of their data."""
    f = problem.f
    return [f] if subsets == 1 else _parts(f, subsets, f.subset)


def _parts(whole: Any, subsets: int, cut: Any) -> list[Any]:
    kept = _CUT.setdefault(whole, {})
    if subsets not in kept:
        kept[subsets] = [cut(members(s, subsets)) for s in range(subsets)]
    return kept[subsets]


def ordered(order: str, subsets: int, seed: int, iteration: int) -> list[int]:
    """The order of the subsets in one pass; "random" depends on (seed, iteration) only."""
    if order == "random":
        return np.random.default_rng((seed, iteration)).permutation(subsets).tolist()
    if order == "sequential":
        return list(range(subsets))
    place = np.arange(subsets) * GOLDEN % 1
    return np.argsort(np.argsort(place)).tolist()


class SubsetSolver(Solver):
    """A solver whose iteration is a pass over subsets of the views; this class checks the settings.

    subsets: their number; None is one per view.  Subclasses may add `relaxation` and `order`."""

    needs_views = True

    seed: int

    def __post_init__(self) -> None:
        subsets = getattr(self, "subsets", None)
        if subsets is not None and not (_whole(subsets) and subsets > 0):
            self._refuse("subsets", "a whole number > 0, or None for one per view")
        relaxation = getattr(self, "relaxation", 1)
        if not (vectors.is_real(relaxation) and 0 < relaxation < 2):
            self._refuse("relaxation", "0 < relaxation < 2")
        if getattr(self, "order", ORDERS[0]) not in ORDERS:
            self._refuse("order", f"one of {ORDERS}")
        if not (_whole(self.seed) and self.seed >= 0):
            self._refuse("seed", "a whole number >= 0")

    def _refuse(self, name: str, expected: str) -> None:
        where = f"{type(self).__name__}.{name}"
        raise ArgumentError(f"{where}: expected {expected}, got {getattr(self, name)!r}")


def _whole(value: Any) -> bool:
    return vectors.is_whole(value)


def remember(problem: Problem, state: State) -> Vector:
    """A copy of x at the start of a pass, for `finish`."""
    before = state.scratch("before", problem.f.A.in_shape)
    vectors.assign(before, state.x)
    return before


def finish(problem: Problem, state: State, before: Vector) -> None:
    """Count the pass and record the change of x over all its subsets."""
    moved = vectors.distances(state.x, before, problem.axis)
    record_change(state, moved, vectors.dots(state.x, state.x, problem.axis))
    state.value = None
