"""The outcome of a solver: the image, why it stopped, and what happened on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.arrays.vectors import Array, Vector
from physrecon.notebook import html, one_line
from physrecon.problem import Problem
from physrecon.solvers.state import State


class Record(NamedTuple):
    """One line of the history."""

    iteration: int
    value: float  # f(x), NaN if the solver does not compute it
    change: float  # the largest relative change among the slices that moved
    active: int  # number of slices that moved
    seconds: float  # since the start of the call


@dataclass(repr=False)
class Result:
    """The outcome of `solve`.

    x: the image, of A.in_shape, in the unit of y over that of A.  reason: why the loop ended, as a
    sentence.  iterations: all that were done, those before a resume included.  history: one Record
    per iteration of this call.  state: `solve(..., state=state)` continues from it.  problem: the
    one that was solved.

    >>> problem = pr.Problem(pr.LeastSquares(pr.Diagonal([1, 2], (2,)), np.array([3.0, 4.0])))
    >>> result = pr.solve(problem, pr.ConjugateGradient(), stop=pr.Stop(iterations=2))
    >>> result.x.round(3).tolist(), result.iterations, len(result.history)
    ([3.0, 2.0], 2, 2)
    >>> bool(abs(result.residual).max() < 1e-9)
    True
    """

    x: Array
    reason: str
    iterations: int
    history: list[Record]
    state: State = field(repr=False)
    problem: Problem = field(repr=False)

    @property
    def residual(self) -> Array:
        """A x − y, in the unit of the data; costs one product with A.

        For counts y: their expectation − y."""
        f = self.problem.f
        left: Vector = f.expected_data(f.A.forward(self.x))
        left = vectors.copy(left) if left is self.x else left
        vectors.subtract(left, f.y)
        return left

    def summary(self) -> str:
        """What was solved and how it went, in a few lines; costs one product with A."""
        f = self.problem.f
        norm = float(np.sqrt((f.residual_norms(f.values(self.x)) ** 2).sum()))
        lines = [repr(self), f"  {'‖W^½(Ax − y)‖' if f.quadratic else '√(2f)'} = {norm:.4g}"]
        values = [(r.iteration, r.value) for r in self.history if np.isfinite(r.value)]
        if values:
            (first, start), (last, end) = values[0], values[-1]
            lines.append(f"  f(x): {start:.4g} after iteration {first}, {end:.4g} after {last}")
        if self.history:
            last_one = self.history[-1]
            pace = last_one.seconds / len(self.history)
            lines.append(
                f"  last relative change of x: {last_one.change:.2g}; {pace:.3g} s an iteration"
            )
        return "\n".join([*lines, f"  {self.problem!r}".replace("\n", "\n  ")])

    def plot(self, path: str | Path | None = None) -> Any:
        """Draw x and the convergence: a matplotlib Figure, which a notebook shows.

        path: a PNG file to write it to as well."""
        from physrecon.pictures.convergence import draw_convergence

        columns = np.transpose([(r.iteration, r.value, r.change) for r in self.history])
        return draw_convergence(self._image(), columns, self.reason, path)

    def _image(self) -> NDArray[Any] | None:
        """x on the host if it is one array of two axes or more."""
        image = isinstance(self.x, np.ndarray) or arrays.is_device(self.x)
        return arrays.to_host(self.x) if image and self.x.ndim > 1 else None

    def __repr__(self) -> str:
        return f"Result: {self.reason}\n  x: {one_line(self.x)}\n  iterations: {self.iterations}"

    def _repr_html_(self) -> str:
        return html(repr(self), self._image())
