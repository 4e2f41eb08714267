"""What a new geometry takes: one class with `rays`, and one line in `ENGINES`."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

import physrecon as pr
from physrecon.geometry.rays import Rays
from physrecon.operators.projection.projector import ENGINES
from physrecon.operators.projection.vector_beam import VectorEngine


@dataclass(frozen=True)
class LineOfSources:
    """A detector at rest, and sources in a row before it, `pitch` apart: digital tomosynthesis."""

    separable: ClassVar[bool] = False

    views: int
    pitch: float
    detector_shape: tuple[int, int]

    @property
    def shape(self):
        return (self.views, *self.detector_shape)

    def default_grid(self, width=None):
        rows, columns = self.detector_shape
        return pr.Grid((rows, 5, width or columns))

    def rays(self):
        at = (np.arange(self.views) - (self.views - 1) / 2) * self.pitch
        here = np.ones((self.views, 1))
        source = np.stack([0 * at, 0 * at - 30, at], axis=1)
        rows, columns = self.detector_shape
        step = {"u": here * [0, 0, 1], "v": here * [1, 0, 0]}
        return Rays(source, here * [0, 10, 0], **step, column=(columns - 1) / 2, row=(rows - 1) / 2)


def test_it_has_a_projector_and_solvers(monkeypatch):
    scan = LineOfSources(7, 4.0, (6, 9))
    with pytest.raises(pr.errors.ArgumentError, match="expected a ParallelBeam or"):
        pr.Projector(scan)
    monkeypatch.setitem(ENGINES, LineOfSources, VectorEngine)
    A = pr.Projector(scan)
    assert pr.check_adjoint(A) < 1e-6
    truth = np.zeros(A.in_shape, np.float32)
    truth[2:4, 2, 3:6] = 1
    f = pr.LeastSquares(A, A @ truth)
    problem = pr.Problem(f, pr.TV(1e-3), pr.NonNegative())
    x = pr.solve(problem, pr.FISTA(), stop=pr.Stop(iterations=150)).x
    assert abs(x - truth).max() < 0.35 and x[2:4, 2, 3:6].min() > 0.6
    center = A @ np.ones(A.in_shape, np.float32)
    assert center[3, 2, 4] == pytest.approx(5, rel=0.01)  # five planes of y, nearly at right angles
