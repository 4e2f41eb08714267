"""What the lines about a chosen weight and about chosen iterations say."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from physrecon.jobs.image_job import ImageJob
from physrecon.jobs.scan_job import ScanJob
from physrecon.model_check.causes import advice
from physrecon.pipeline.image.problem import _ending
from physrecon.pipeline.problem import _noise_asks, _weight_line, words_of_choices

CURVE = [SimpleNamespace(weight=w) for w in (1e-3, 1e-2, 1e-1)]


def choice(**values):
    usual = dict(
        weight=0.01, low=1e-3, high=0.01, rule="held-out", discrepancy=0.2, misfit=1.0, curve=CURVE
    )
    return SimpleNamespace(**(usual | values))


def test_a_weight_at_the_end_of_its_range_is_explained():
    line = _weight_line("auto", 0.01, choice(), "row 3")
    assert "0.001 to 0.01 fit as well, the smoothest is taken" in line
    for other in (choice(weight=5e-3), choice(rule="gcv")):
        assert "smoothest" not in _weight_line("auto", 0.01, other, "row 3")


def test_a_noise_level_that_no_weight_reaches_names_no_weight():
    assert _noise_asks(choice(discrepancy=0.2)) == "by the noise level it is 0.2, far from 0.01"
    assert "8.3e-11" not in _noise_asks(choice(discrepancy=8.3e-11))


def test_each_job_names_its_own_model():
    image = ImageJob(input="a.tif", output="b.tif", psf="c.tif", method="rl")
    scan = ScanJob(input="a.h5", output="b.h5")
    assert "PSF" in image.model_parts and "axis" not in image.model_parts
    assert "axis" in scan.model_parts and "PSF" not in scan.model_parts


@pytest.mark.parametrize("found", [False, True])
def test_iterations_that_the_data_have_told_fit_no_noise(found):
    job = ImageJob(input="a.tif", output="b.tif", psf="c.tif", method="rl")
    f = SimpleNamespace(residual_norms=lambda value: np.ones(1))
    result = SimpleNamespace(state=SimpleNamespace(value=1.0), reason="after 9 iterations")
    said = _ending(job, SimpleNamespace(f=f), result, 2 * np.ones(1), found)
    assert ("noise is being fitted" in said) == (not found)


def test_found_iterations_are_stated():
    job = ImageJob(input="a.tif", output="b.tif", psf="c.tif", method="rl")
    asked = job.model_copy(update={"stop": job.stop.model_copy(update={"iterations": "auto"})})
    found = job.model_copy(update={"stop": job.stop.model_copy(update={"iterations": 12})})
    assert words_of_choices(asked, found) == {"found_iterations": "12 (auto, by held-out data)"}
    assert words_of_choices(found, found) == {}


def test_rings_that_stay_are_not_answered_by_their_removal():
    assert "remove rings with --rings" not in advice("rings", "near 40")
    assert "--data-mask" in advice("rings") and "(near 40)" in advice("rings", "near 40")
