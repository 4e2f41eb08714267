"""The solvers that the catalog names for a likelihood are those that take it."""

from __future__ import annotations

import numpy as np
import pytest
from zoo.solvers import ALL_SOLVERS

import physrecon as pr
from physrecon.catalog import SOLVERS_FOR

scan = pr.ParallelBeam(np.arange(0, 180, 30), (1, 7), angle_unit="deg")
A = pr.Projector(scan, scan.default_grid())
COUNTS = np.random.default_rng(0).poisson(50, A.out_shape).astype("f4")
LIKELIHOODS = {
    "transmission": lambda: pr.TransmissionLikelihood(A, COUNTS, 100.0),
    "poisson": lambda: pr.PoissonLikelihood(A, COUNTS),
    "huber": lambda: pr.Huber(A, COUNTS, 1.0),
    "student-t": lambda: pr.StudentT(A, COUNTS, 1.0),
}


@pytest.mark.parametrize("name", SOLVERS_FOR)
def test_the_catalog_names_them(name):
    taking = []
    for solver in ALL_SOLVERS:
        f = LIKELIHOODS[name]()
        bound = pr.NonNegative() if f.counts and solver.takes_constraint else None  # as of a job
        try:
            pr.solve(pr.Problem(f, constraint=bound), solver, stop=pr.Stop(iterations=1))
        except pr.PhysreconError:
            continue
        taking.append(solver.name)
    assert sorted(taking) == sorted(SOLVERS_FOR[name])
