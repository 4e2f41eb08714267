"""What the data are: counts with zingers or without flats, transmissions, line integrals."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from discs import CENTER, COLUMNS, MU, disc_mask, line_integrals, write_scan

from physrecon.catalog import LIKELIHOODS, SOLVERS_FOR
from physrecon.cli.main import main
from physrecon.errors import ArgumentError
from physrecon.io import open_scan, open_volume
from physrecon.jobs.scan_job import ScanJob
from physrecon.pipeline.messages import NoMessages
from physrecon.pipeline.preflight import check_method
from physrecon.pipeline.run import open_task, run
from physrecon.pipeline.scan.checks import scan_warnings
from physrecon.pipeline.scan.measure import measure
from physrecon.pipeline.scan.resolve import with_settings
from physrecon.preprocess.line_integrals import prepare

VIEWS = 60
P = line_integrals(np.arange(VIEWS) * 180 / VIEWS, 3)
FIELDS = ("data_white", "data_dark")


def volume_of(path, **fields):
    job = ScanJob.build({"input": path, "output": path.with_name("v.h5"), **fields}, "test")
    with open_volume(run(job)) as volume:
        return volume[:]


@pytest.mark.parametrize(
    ("remove", "data", "settings"),
    [
        (FIELDS, np.exp(-P), {"transmission": True}),
        (FIELDS, 3 * np.exp(-P), {"transmission": True, "air": "0:4"}),
        (FIELDS, P, {"line_integrals": True}),
        (("data_white",), 50 + 9950 * np.exp(-P), {"air": "0:4"}),
        (("data_white",), 50 + 9950 * np.exp(-P), {"air": "0:4", "likelihood": "transmission",
                                                   "method": "fista"}),
        ((), 50 + 9950 * np.exp(-P) * np.linspace(0.5, 1.5, VIEWS)[:, None, None], {"air": "0:4"}),
    ],
)  # fmt: skip
def test_a_disc_has_its_attenuation_whatever_the_data_are(tmp_path, remove, data, settings):
    path = write_scan(tmp_path / "s.h5", 3, VIEWS, remove, data=data.astype(np.float32))
    volume = volume_of(path, center=CENTER, **settings)
    for row, slice_ in enumerate(volume):
        assert slice_[disc_mask()].mean() == pytest.approx(MU * (1 + row / 10), rel=0.03)


def test_zingers_leave_no_streaks(tmp_path):
    counts = 50 + 9950 * np.exp(-P)
    clean = volume_of(write_scan(tmp_path / "a.h5", 3, VIEWS, data=counts), center=CENTER)
    rng = np.random.default_rng(0)
    counts[rng.integers(0, VIEWS, 50), rng.integers(0, 3, 50), rng.integers(0, COLUMNS, 50)] += 3e4
    spoilt = write_scan(tmp_path / "b.h5", 3, VIEWS, data=counts)
    mended, kept = (volume_of(spoilt, center=CENTER, zingers=z, overwrite=True) for z in
                    ("auto", "none"))  # fmt: skip
    assert np.abs(mended - clean).max() < 0.1 * MU
    assert np.abs(kept - clean).max() > MU


@pytest.mark.parametrize(
    ("data", "said", "advice"),
    [(np.exp(-P), "line_integrals", "--transmission"), (P, "transmission", "--line-integrals")],
)
def test_the_wrong_kind_is_told_before_the_work(tmp_path, data, said, advice):
    path = write_scan(tmp_path / "s.h5", 3, VIEWS, FIELDS, data=data)
    job = ScanJob.build({"input": path, "output": path.with_name("v.h5"), said: True}, "test")
    with open_scan(path, **{said: True}) as scan:
        assert advice in " ".join(scan_warnings(job, scan))
        right = job.model_copy(update={"line_integrals": not job.line_integrals,
                                       "transmission": not job.transmission})  # fmt: skip
        assert scan_warnings(right, scan) == []


def test_what_was_repaired_is_printed(tmp_path, capsys):
    counts = 50 + 9950 * np.exp(-P)
    counts[7, 1, 20] = 6e4
    darks = np.full((4, 3, COLUMNS), 50.0)
    darks[2, 0, 9] = 5000
    path = write_scan(tmp_path / "s.h5", 3, VIEWS, data=counts, data_dark=darks)
    out = ("-o", str(tmp_path / "v.h5"), "--center", str(CENTER))
    assert main(["recon", str(path), *out]) == 0
    told = capsys.readouterr().err
    assert "1 of 8640 values brighter" in told and "1 value of flats and darks" in told


def test_one_kind_of_data_only(tmp_path):
    fields = {"input": "s.h5", "output": "v.h5", "transmission": True, "line_integrals": True}
    with pytest.raises(ArgumentError, match="one kind"):
        ScanJob.build(fields, "test")


def test_no_flats_names_the_ways_out(tmp_path, capsys):
    path = write_scan(tmp_path / "s.h5", 3, VIEWS, ("data_white",))
    assert main(["recon", str(path), "-o", str(tmp_path / "v.h5")]) == 65
    told = capsys.readouterr().err
    assert all(word in told for word in ("--air", "--transmission", "--line-integrals"))


def test_filled_pixels_do_not_tell_of_the_noise(tmp_path):
    """δ of Huber's loss where two fifths of the pixels are dead, and filled by straight lines."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(1000, (VIEWS, 3, COLUMNS)).astype(np.uint16)
    flats = np.full((4, 3, COLUMNS), 1000, np.uint16)
    darks = np.zeros((4, 3, COLUMNS), np.uint16)
    for dead in (slice(10, 20), slice(30, 40)):
        counts[..., dead] = flats[..., dead] = 0
    path = write_scan(
        tmp_path / "s.h5", 3, VIEWS, data=counts, data_white=flats, data_dark=darks
    )  # fmt: skip
    fields = {"input": path, "output": path, "likelihood": "huber", "method": "fista"}
    job = ScanJob.build(fields, "test")
    with open_scan(path) as scan:
        found = with_settings(job, scan, slice(1, 2), NoMessages())
    assert found.outlier == pytest.approx(1.345 / np.sqrt(1000), rel=0.1)


def refusal(path, **fields):
    """The error of a job before its data are read, or ""."""
    try:
        job = ScanJob.build({"input": path, "output": path.with_name("v.h5"), **fields}, "test")
        with open_task(job) as task:
            check_method(task.job, task.trial(), task.methods)
    except ArgumentError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("likelihood", [*LIKELIHOODS][2:])
def test_a_refusal_of_fbp_names_the_methods_of_the_likelihood(tmp_path, likelihood):
    said = refusal(tmp_path / "s.h5", method="fbp", likelihood=likelihood)
    assert said.partition("--method ")[2].split("|") == [*SOLVERS_FOR[likelihood]]


def test_the_options_that_a_note_on_few_counts_names_work(tmp_path):
    _, repairs = prepare(np.arange(20.0).reshape(2, 1, 10), np.full((1, 1, 10), 20.0))
    words = " ".join(repairs.sentences()).partition(" takes few counts")[0].split()[-4:]
    assert words[::2] == ["--method", "--likelihood"]
    fields = dict(zip(("method", "likelihood"), words[1::2], strict=True))
    assert not refusal(write_scan(tmp_path / "s.h5", views=4), **fields)


@pytest.mark.parametrize("views", [1, 90])
@pytest.mark.parametrize("settings", [{}, {"likelihood": "transmission", "method": "fista"}])
def test_masked_values_are_called_masked(tmp_path, views, settings):
    mask = np.zeros((views, 3, COLUMNS), np.uint8)
    mask[::2, :, 20:22] = 1
    mask[:, 1, 5] = 1
    tifffile.imwrite(tmp_path / "m.tif", mask, photometric="minisblack")
    fields = {"input": write_scan(tmp_path / "s.h5"), "data_mask": tmp_path / "m.tif", **settings}
    job = ScanJob.build({"output": tmp_path / "v.h5", "center": CENTER, **fields}, "test")
    with open_task(job) as task:
        _, repairs = measure(job, task.scan, slice(0, 3))
    assert (repairs.masked, repairs.nonfinite, repairs.dead) == (mask.sum() * 90 // views, 0, 0)
    said = f"{repairs.masked} of {repairs.values} values masked: not used"
    assert repairs.sentences() == [said]
