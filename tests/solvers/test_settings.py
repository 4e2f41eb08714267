"""Settings that are numbers take no True or False."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

import physrecon as pr
from physrecon.errors import ArgumentError
from physrecon.jobs.settings import PriorTable, StopSettings

ONE, PSF, FRAME = np.ones(2), np.ones((3, 3)), np.ones((9, 9))
CALLS = [
    lambda: pr.Stop(iterations=True),
    lambda: pr.Stop(rtol=True),
    lambda: pr.Stop(discrepancy=True),
    lambda: pr.Stop(seconds=True),
    lambda: pr.Adam(step=True),
    lambda: pr.Adam(beta1=False),
    lambda: pr.RMSprop(decay=False),
    lambda: pr.RMSprop(step=True),
    lambda: pr.GradientDescent(step=True),
    lambda: pr.GradientDescent(step=True, rule="bb"),
    lambda: pr.Landweber(step=True),
    lambda: pr.Kaczmarz(relaxation=True),
    lambda: pr.SART(relaxation=True),
    lambda: pr.OSEM(subsets=True),
    lambda: pr.SAGA(seed=True),
    lambda: pr.LBFGS(memory=True),
    lambda: pr.ADMM(steps=True),
    lambda: pr.GaussNewton(damping=True),
    lambda: pr.GaussNewton(inner=True),
    lambda: pr.L1(True),
    lambda: pr.TotalVariation(1.0, tolerance=False),
    lambda: pr.TotalVariation(1.0, iterations=True),
    lambda: pr.HuberTV(1.0, True),
    lambda: pr.Box(False, True),
    lambda: pr.WaveletL1(1.0, levels=True),
    lambda: pr.TGV(1.0, True),
    lambda: pr.Huber(pr.Identity(2), ONE, True),
    lambda: pr.wiener(FRAME, PSF, noise=True),
    lambda: pr.tikhonov_filter(FRAME, PSF, True),
    lambda: pr.StudentT(pr.Identity(2), ONE, 1.0, True),
]


@pytest.mark.parametrize("call", CALLS)
def test_a_class_refuses_them(call):
    with pytest.raises(ArgumentError, match=r"expected .*got"):
        call()


@pytest.mark.parametrize("name", ["iterations", "rtol", "discrepancy"])
def test_a_job_refuses_them(name):
    with pytest.raises(ValidationError, match=r"expected a number.*, got true"):
        StopSettings(**{name: True})


def test_a_prior_of_a_job_refuses_them_and_takes_its_switches():
    with pytest.raises(ValidationError, match="delta: expected a number, got true"):
        PriorTable(name="huber-tv", delta=True)
    with pytest.raises(ValidationError, match=r"expected a number.*, got true"):
        PriorTable(name="tv", weight=True)
    assert PriorTable(name="tv", isotropic=False).settings == {"isotropic": False}
