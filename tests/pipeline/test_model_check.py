"""The check of the model in the pipeline: figures in OUT, a sentence, a picture, the same from any
cut."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest

import physrecon as pr
from physrecon.errors import Interrupted
from physrecon.io import VolumeWriter, open_scan
from physrecon.io.made import CHECK, texts_of
from physrecon.jobs.image_job import ImageJob
from physrecon.jobs.scan_job import ScanJob
from physrecon.model_check.check import ModelCheck
from physrecon.pipeline.messages import Messages
from physrecon.pipeline.run import run
from physrecon.pipeline.scan import model_check as scan_check
from physrecon.pipeline.scan.measure import measure

CENTER = 34.0
STORED = "/entry/reconstruction/configuration/model_check"


def scan_job(**fields) -> ScanJob:
    pr.datasets.simulate_scan(
        "scan.h5", (4, 64, 64), 80, "ellipsoids", counts=2e4, center=CENTER, seed=3, dead_pixels=0,
        overwrite=True,
    )  # fmt: skip
    return ScanJob.build({"input": "scan.h5", "output": "v.h5", **fields}, "test")


def figures(job) -> dict:
    with h5py.File(run(job, Messages())) as file:
        return json.loads(file[STORED].asstr()[()])


def test_a_sound_scan_fits(here, capsys):
    found = figures(scan_job(center=CENTER))
    assert found["fits"] and found["checked"] == "row 2" and not found["causes"]
    assert "does not fit" not in capsys.readouterr().err


@pytest.mark.parametrize("fields", [{}, {"method": "sirt", "stop": {"iterations": 10}}])
def test_a_wrong_axis_is_said(fields, here, capsys):
    found = figures(scan_job(center=CENTER + 2, **fields))
    assert not found["fits"] and next(iter(found["causes"])) == "axis"
    assert "--center" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["air", "rings"])
def test_what_an_option_has_mended_has_another_name(option, monkeypatch):
    """The advice to use an option is no advice to one who has used it."""
    cause = {"air": "drift", "rings": "columns"}[option]
    check = ModelCheck(False, 1, 1, {}, {}, ((cause, 0.5),), True, {cause: "near 3"})
    monkeypatch.setattr(scan_check._Row, "check", lambda self, chi2: check)
    job = scan_job(center=CENTER)
    with open_scan(job.input, None) as scan:
        data, _ = measure(job, scan, slice(2, 3))
        geometry = scan.geometry.part(slice(2, 3)).with_center(CENTER)
    grid = geometry.default_grid()
    x = np.zeros(grid.shape, np.float32)
    found, *_ = scan_check.check_row(data, x, geometry, grid, [option])
    assert found.causes == ((option, 0.5),) and "near 3" in found.sentence
    assert scan_check.check_row(data, x, geometry, grid)[0].causes == ((cause, 0.5),)


def test_the_cut_changes_no_figure(here):
    whole = figures(scan_job(center=CENTER + 1))
    assert figures(scan_job(center=CENTER + 1, slab_rows=1, output="w.h5")) == whole


def test_a_resumed_run_states_the_figures(here, monkeypatch):
    job = scan_job(center=CENTER + 1, slab_rows=1)
    whole = figures(scan_job(center=CENTER + 1, output="w.h5"))
    write = VolumeWriter.write

    def stopped(self, slab, *args, **more):
        if slab == 3:  # after the slab that is checked
            raise KeyboardInterrupt
        write(self, slab, *args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(VolumeWriter, "write", stopped)
        with pytest.raises(Interrupted):
            run(job)
    assert figures(job) == whole


def test_the_residual_is_drawn(here, capsys):
    run(scan_job(center=CENTER, residuals=True), Messages())
    assert (here / "v.h5.residuals.png").stat().st_size > 10_000
    assert "v.h5.residuals.png" in capsys.readouterr().out


def write_photo(radius: float) -> None:
    x = np.kron(np.random.default_rng(1).integers(1, 40, (22, 22)), np.ones((8, 8)))
    psf = pr.psf.defocus((21, 21), radius=radius)
    y = pr.Blur(psf, (156, 156), "unknown") @ x
    counts = np.random.default_rng(2).poisson(100 * y)
    pr.write_image("photo.tif", counts.astype("f4"), "YX", overwrite=True)


@pytest.mark.parametrize("radius, cause", [(4, None), (5, "psf-wide"), (3.2, "psf-narrow")])
@pytest.mark.parametrize("output", ["sharp.tif", "sharp.h5"])
def test_a_psf_of_another_width_is_said(radius, cause, output, here, capsys):
    write_photo(4.0)
    values = {"input": "photo.tif", "output": output, "psf": f"defocus:radius={radius}"}
    run(ImageJob.build(values, "test"), Messages())
    found = json.loads(texts_of(output)[CHECK])
    assert found["fits"] == (cause is None)
    assert next(iter(found["causes"]), None) == cause
    assert ("the PSF may be too" in capsys.readouterr().err) == (cause is not None)
