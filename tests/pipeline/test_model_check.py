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
    one = scan_check.checked_row(geometry, geometry.default_grid())
    x = np.zeros(one.grid.shape, np.float32)
    found, *_ = scan_check.check_row(data, x, one, [option])
    assert found.causes == ((option, 0.5),) and "near 3" in found.sentence
    assert scan_check.check_row(data, x, one)[0].causes == ((cause, 0.5),)


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


def cone_scan(rows: int, **more):
    """A cone of 60 views about balls, and its line integrals with noise."""
    rng = np.random.default_rng(2)
    scan = pr.ConeBeam(
        np.arange(0, 360, 6), (rows, 48), angle_unit="deg", pixel_size=2, source_origin=120,
        source_detector=240, **more,
    )  # fmt: skip
    grid = scan.default_grid()
    z, y, x = np.meshgrid(*map(grid.axis, range(3)), indexing="ij", sparse=True)
    volume = np.zeros(grid.shape, np.float32)
    for _ in range(8):
        b, a = rng.uniform(-9, 9, 2)
        away = np.sqrt((z - rng.uniform(-2, 2)) ** 2 + (y - b) ** 2 + (x - a) ** 2)
        volume += rng.uniform(0.02, 0.06) * np.clip(rng.uniform(3, 7) - away, 0, 1)
    p = pr.Projector(scan, grid) @ volume.astype(np.float32)
    return -np.log(np.maximum(rng.poisson(3e4 * np.exp(-p)), 1) / 3e4).astype(np.float32)


CONE = {"kind": "cone", "rotation": "counterclockwise", "source_origin": "120mm",
        "source_detector": "240mm"}  # fmt: skip


def cone_job(output: str, **fields) -> ScanJob:
    values = {
        "input": "cone.npy", "output": output, "angles": "0..354/60", "angle_unit": "deg",
        "line_integrals": True, "pixel_size": "2mm", "center": 23.5, "geometry": CONE, **fields,
    }  # fmt: skip
    return ScanJob.build(values, "test")


@pytest.mark.parametrize("rows, checked", [(8, "rows 3 and 4"), (9, "row 4")])
def test_a_cone_is_checked_in_the_plane_of_its_source(rows, checked, here):
    np.save("cone.npy", cone_scan(rows))
    sound = figures(cone_job("v.h5"))
    assert sound["fits"] and sound["checked"] == checked
    assert figures(cone_job("w.h5", slab_rows=1)) == sound
    assert figures(cone_job("s.h5", slices="0:2")) == sound
    wrong = figures(cone_job("a.h5", center=25.0))
    assert next(iter(wrong["causes"])) == "axis"
    other = figures(cone_job("r.h5", geometry={**CONE, "rotation": "clockwise"}))
    assert "the other sense" in other["sentence"]


@pytest.mark.parametrize("table, words", [
    ({"row_offset": 6.0}, "the plane of the source is beside the detector"),
    ({"roll": "1deg"}, "lie in no plane across the axis, by roll"),
    ({"kind": "helical", "rise": "1mm"}, "lie in no plane across the axis"),
])  # fmt: skip
def test_rows_that_no_slice_explains_are_not_checked_and_it_is_said(table, words, here, capsys):
    np.save("cone.npy", cone_scan(8))
    more = {"method": "cgls", "stop": {"iterations": 1}}
    run(cone_job("v.h5", geometry={**CONE, **table}, **more), Messages())
    with h5py.File("v.h5") as file:
        assert STORED not in file
    said = capsys.readouterr()
    assert "check of the model: left out" in said.err + said.out and words in said.err + said.out


def test_a_short_scan_of_a_fan_is_not_checked(here):
    scan = pr.FanBeam(
        np.arange(0, 120, 3), (1, 32), angle_unit="deg", source_origin=60, source_detector=90
    )
    assert "half turn" in scan_check.checked_row(scan, scan.default_grid())


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
