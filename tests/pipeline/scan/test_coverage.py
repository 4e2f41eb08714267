"""Scans whose detector does not see the whole object: what is chosen, what is said, what comes out.

Values are compared with those of the discs."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from discs import disc
from tiers import thorough

import physrecon as pr
from physrecon.io import open_volume
from physrecon.jobs.scan_job import ScanJob
from physrecon.pipeline.messages import NoMessages
from physrecon.pipeline.run import plan, run

COLUMNS, FULL = 64, 20_000
TURN, HALF = np.arange(0, 360, 2.0), np.arange(0, 180, 1.5)


class Heard(NoMessages):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def warn(self, text: str) -> None:
        self.lines.append(f"warning: {text}")

    def result(self, text: str) -> None:
        self.lines.append(text)

    def about(self, what: str) -> str:
        return "\n".join(line for line in self.lines if what in line)


def write(path, angles, center, radius, rows=2, columns=COLUMNS):
    """Counts of a disc of 0.01 about the axis with a smaller one of 0.02 more at (x 12, y -9)."""
    scan = pr.ParallelBeam(angles, (rows, columns), angle_unit="deg", center=center)
    y = disc(scan, radius, 0.01) + disc(scan, 6, 0.02, 12, -9)
    with h5py.File(path, "w") as file:
        file["exchange/data"] = np.round(50 + FULL * np.exp(-y)).astype(np.uint16)
        file["exchange/data_white"] = np.full((2, rows, columns), FULL + 50, np.uint16)
        file["exchange/data_dark"] = np.full((2, rows, columns), 50, np.uint16)
        file["exchange/theta"] = angles
        file["exchange/theta"].attrs["units"] = "degrees"
    return path


def reconstructed(path, **fields):
    """Mean in the small disc and in the body, the volume's width, and what was said."""
    heard = Heard()
    output = path.with_name(f"{len(list(path.parent.iterdir()))}.h5")
    run(ScanJob.build({"input": path, "output": output, **fields}, "test"), heard)
    with open_volume(output) as volume:
        x = volume[0]
    with h5py.File(output) as file:  # coordinates as a viewer takes them
        at = [file[f"entry/reconstruction/results/{axis}"][:] for axis in "yx"]
    assert x.shape == tuple(map(len, at))
    near = np.hypot(at[0][:, None] + 9, at[1] - 12)
    body = (np.hypot(at[0][:, None], at[1]) < 26) & (near > 9)
    return x[near < 4].mean(), x[body].mean(), len(at[0]), heard


@pytest.mark.parametrize(
    ("center", "radius", "given", "method"),
    [
        (12.0, 46, True, "fbp"),
        (15.5, 40, False, "fbp"),
        (50.0, 45, False, "cgls"),
        thorough(12.0, 46, True, "cgls"),
        thorough(15.5, 40, False, "cgls"),
        thorough(50.0, 45, False, "fbp"),
    ],
)
def test_half_acquisition(tmp_path, center, radius, given, method):
    scan = write(tmp_path / "s.h5", TURN, center, radius)
    fields = {"center": center} if given else {}
    spot, body, width, heard = reconstructed(scan, method=method, **fields)
    assert spot == pytest.approx(0.03, rel=0.03) and body == pytest.approx(0.01, rel=0.02)
    assert abs(width - (2 * max(center, 63 - center) + 1)) < 2.5
    side = "left" if center < 32 else "right"
    said = heard.about("detector:")
    assert said.count("\n") == 0 and f"cut off at the {side} edge" in said
    assert "half acquisition" in said and f"{width} × {width}" in said
    assert "--padding" not in said


def test_half_acquisition_without_some_views_is_told(tmp_path):
    scan = write(tmp_path / "s.h5", TURN, 12.0, 46)
    missing = f"{len(TURN) // 3}:{len(TURN) // 3 + max(4, len(TURN) // 12)}"
    heard = reconstructed(scan, method="fbp", center=12.0, exclude_views=missing)[3]
    assert "half acquisition needs the full turn" in heard.about("angles:")


def test_the_plan_of_half_acquisition_counts_the_wider_slices(tmp_path):
    scan = write(tmp_path / "s.h5", TURN, 12.0, 46)
    heard = Heard()
    for fields in ({}, {"center": 12.0}):
        job = ScanJob(input=scan, output=tmp_path / "v.h5", method="sirt", **fields)
        made = plan(job, heard)
        assert made.footprint.shape == (2, 104, 104)
        assert any(line == "width: 104 voxels (chosen), 64 columns" for line in made.lines())
        narrow = plan(job.model_copy(update={"width": 64, "center": 12.0}))
        assert made.output_bytes - narrow.output_bytes == pytest.approx(
            2 * 4 * (104**2 - 64**2),
            abs=1000,  # the axes too
        )
        assert made.peak > narrow.peak
        assert "half acquisition" in heard.about("detector:")


def test_slabs_and_parts_of_half_acquisition_have_the_bits_of_the_whole(tmp_path):
    scan = write(tmp_path / "s.h5", TURN, 12.0, 46, rows=5)
    volumes = []
    for name, fields in {
        "whole.h5": {},
        "slabs.h5": {"slab_rows": 2},
        "part.h5": {"slices": "1:3"},
    }.items():
        job = ScanJob.build({"input": scan, "output": tmp_path / name, **fields}, "test")
        with open_volume(run(job)) as volume:
            volumes.append(volume[:])
    np.testing.assert_array_equal(volumes[1], volumes[0])
    np.testing.assert_array_equal(volumes[2], volumes[0][1:3])


@pytest.mark.parametrize(
    ("angles", "fields"), [(HALF, {"center": 31.5}), (HALF, {}), thorough(TURN, {"center": 31.5})]
)
def test_a_truncated_object_is_told_and_padding_edge_named(tmp_path, angles, fields):
    scan = write(tmp_path / "s.h5", angles, 31.5, 44)
    _, body, width, heard = reconstructed(scan, **fields)
    said = heard.about("detector:")
    assert said.count("\n") == 0 and "at the left and the right edge" in said
    assert "--padding edge" in said and width in (COLUMNS, COLUMNS + 2)
    _, padded, _, heard = reconstructed(scan, padding="edge", **fields)
    assert abs(padded / 0.01 - 1) < 0.5 * abs(body / 0.01 - 1)
    assert "approximate" in heard.about("detector:")


@pytest.mark.parametrize(
    ("method", "radius", "within"),
    [("cgls", 38, 0.06), thorough("sirt", 44, 0.06), thorough("cgls", 56, 0.12)],
)
def test_a_truncated_object_gets_room_in_iterations(tmp_path, method, radius, within):
    """The more is cut off, the less do the data say of the mean."""
    scan = write(tmp_path / "s.h5", HALF, 31.5, radius)
    spot, body, width, heard = reconstructed(scan, method=method, center=31.5)
    assert body == pytest.approx(0.01, rel=within) and spot == pytest.approx(0.03, rel=0.06)
    assert width == pytest.approx(2 * radius, rel=0.1) and (width - COLUMNS) % 2 == 0
    assert f"{width} × {width}" in heard.about("detector:")
    _, squeezed, _, heard = reconstructed(scan, method=method, center=31.5, width=COLUMNS)
    assert squeezed > 0.01 * (1 + 1.1 * within)
    assert "--width" in heard.about("detector:")


@pytest.mark.parametrize(
    ("method", "angles", "center"),
    [("fbp", HALF, 31.5), ("cgls", TURN, 29.0), ("fbp", TURN, 34.3), ("cgls", HALF, 30.0)],
)
def test_an_object_that_fits_is_not_spoken_of(tmp_path, method, angles, center):
    scan = write(tmp_path / "s.h5", angles, center, 26)
    spot, body, width, heard = reconstructed(scan, method=method, center=center)
    assert width == COLUMNS and heard.about("detector:") == ""
    assert body == pytest.approx(0.01, rel=0.02) and spot == pytest.approx(0.03, rel=0.05)


def test_the_width_can_be_given(tmp_path):
    scan = write(tmp_path / "s.h5", HALF, 31.5, 26)
    for width in (40, 90):
        assert reconstructed(scan, center=31.5, width=width)[2] == width
    with pytest.raises(pr.ArgumentError, match=r"width: expected a whole number of voxels"):
        ScanJob.build({"input": scan, "output": "v.h5", "width": 0}, "test")


def test_a_missing_wedge_is_told(tmp_path):
    scan = write(tmp_path / "s.h5", np.arange(0, 150, 1.0), 31.5, 29)
    _, body, _, heard = reconstructed(scan, center=31.5)
    assert "a wedge of 30° is missing" in heard.about("angles:")
    assert "between 149° and 180°" in heard.about("angles:")
    assert body == pytest.approx(0.01, rel=0.08)


def test_noise_is_no_object_at_the_edge(tmp_path):
    rng, scan = np.random.default_rng(0), tmp_path / "s.h5"
    write(scan, HALF, 31.5, 26, columns=48)
    geometry = pr.ParallelBeam(HALF, (2, 64), angle_unit="deg")
    p = 60 * disc(geometry, 24, 0.001)
    with h5py.File(scan, "a") as file:
        for name, level in (("data_white", 150), ("data_dark", 0)):
            del file[f"exchange/{name}"]
            file[f"exchange/{name}"] = np.full((2, 2, 64), level, np.float32)
        del file["exchange/data"]
        file["exchange/data"] = rng.poisson(150 * np.exp(-p)).astype(np.float32)
    assert reconstructed(scan, center=31.5)[3].about("detector:") == ""
