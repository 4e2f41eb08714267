"""Crop and bin of a scan: the same as of a file that was cropped and binned before."""

from __future__ import annotations

import numpy as np
import pytest

import physrecon as pr
from physrecon.errors import ArgumentError

VIEWS, ROWS, COLUMNS = 5, 7, 12
DICE = np.random.default_rng(0)
COUNTS = DICE.integers(0, 60000, (VIEWS, ROWS, COLUMNS), dtype=np.uint16)
FLATS = DICE.integers(0, 60000, (2, ROWS, COLUMNS), dtype=np.uint16)
ANGLES = np.arange(VIEWS) * 36.0


@pytest.fixture
def scan(here):
    settings = {"flats": FLATS, "darks": FLATS // 50, "pixel_size": "2,3um", "center": 5.25}
    pr.write_scan("s.h5", COUNTS, ANGLES, **settings)
    return "s.h5"


def binned(frames, rows, columns, b, c, how=np.sum):
    """By hand, bin after bin."""
    part = np.asarray(frames, np.float64)[:, rows, columns]
    count = part.shape[1] // b, part.shape[2] // c
    out = np.empty((len(part), *count))
    for i in range(count[0]):
        for j in range(count[1]):
            out[:, i, j] = how(part[:, i * b : i * b + b, j * c : j * c + c], axis=(1, 2))
    return out


@pytest.mark.parametrize(
    "crop, bin, rows, columns, b, c",
    [
        (None, 2, np.s_[:], np.s_[:], 2, 2),
        (None, "1,3", np.s_[:], np.s_[:], 1, 3),
        ("2:9", None, np.s_[:], np.s_[2:9], 1, 1),
        ("1:6,3:12", "2,4", np.s_[1:6], np.s_[3:12], 2, 4),
        ("4:,:8", "3,1", np.s_[4:], np.s_[:8], 3, 1),
    ],
)
def test_counts_are_summed_over_bins_of_the_cropped_detector(crop, bin, rows, columns, b, c, scan):
    with pr.open_scan(scan, crop=crop, bin=bin) as found:
        for frames, raw in ((found.projections, COUNTS), (found.flats, FLATS)):
            right = binned(raw, rows, columns, b, c)
            assert frames.shape == right.shape
            np.testing.assert_array_equal(frames[:], right)
            np.testing.assert_array_equal(frames[1, 0:1, 1:], right[1, 0:1, 1:])
            np.testing.assert_array_equal(frames[[1, 0], :, ::2], right[[1, 0], :, ::2])
            np.testing.assert_array_equal(frames[:, ::2, 1], right[:, ::2, 1])
        assert found.pixel_size == (2 * b, 3 * c)
        # where the axis meets the detector, in µm from the edge of the cropped part
        start = columns.start or 0
        assert (found.center + 0.5) * c == pytest.approx(5.25 + 0.5 - start)
        # the height of the first row of bins: the mean of its pixels
        grid = found.geometry.default_grid()
        pixels = (np.arange(ROWS) - (ROWS - 1) / 2) * 2
        assert grid.axis(0)[0] == pytest.approx(pixels[rows][:b].mean())
        assert len(found.fingerprint()) == 64


def test_floats_transmissions_and_line_integrals_are_averaged(here):
    values = DICE.random((VIEWS, 4, 6)).astype(np.float32)
    pr.write_scan("t.h5", values, ANGLES)
    for kind in ({"transmission": True}, {"line_integrals": True}):
        with pr.open_scan("t.h5", bin=2, **kind) as scan:
            right = binned(values, np.s_[:], np.s_[:], 2, 2, np.mean)
            np.testing.assert_allclose(scan.projections[:], right, rtol=1e-6)
            assert any("averaged over 2 × 2" in note for note in scan.notes)


def test_a_bin_with_a_saturated_or_a_masked_pixel_is_one(here):
    counts = np.full((VIEWS, 4, 6), 1000, np.uint16)
    counts[2, 1, 3] = 65535
    pr.write_scan("s.h5", counts, ANGLES, flats=counts[:1])
    mask = np.zeros((4, 6), np.uint8)
    mask[3, 0] = 1
    pr.write_image("mask.tif", mask, "YX")
    with pr.open_scan("s.h5", bin=2) as scan:
        assert scan.projections[2, 0, 1] == 4 * 65535 and scan.projections[1, 0, 1] == 4000
        assert scan.projections.masked(np.s_[:]) is None
    with pr.open_scan("s.h5", bin=2, data_mask="mask.tif") as scan:
        mask = scan.projections.masked(np.s_[:, :, :])
        np.testing.assert_array_equal(mask, [[[False] * 3, [True, False, False]]])
        assert np.isnan(scan.projections[1, 1, 0]) and scan.projections[1, 1, 1] == 4000
        assert scan.projections.masked((2, 1, slice(None))).tolist() == [True, False, False]
        assert scan.projections.masked(np.s_[:, :, ::2]).shape == (1, 2, 2)
        assert scan.projections[2, 0, 1] == 4 * 65535


@pytest.mark.parametrize(
    "given, words",
    [
        ({"crop": "5:99"}, "columns a:b within 0:12"),
        ({"crop": "3:3"}, "columns a:b, or"),
        ({"crop": "0:8,0:12"}, "rows a:b within 0:7"),
        ({"crop": "1,2,3"}, "a:b,c:d"),
        ({"bin": 0}, "N or ROWS,COLUMNS"),
        ({"bin": "8,1"}, "at most the 7 rows"),
    ],
)
def test_what_fits_no_detector_is_refused(given, words, scan):
    with pytest.raises(ArgumentError, match=words):
        pr.open_scan(scan, **given)


# The volume -----------------------------------------------------------------------------------


def test_a_disc_stays_where_it_is(here):
    """An off-centre disc at its place in mm, in all three volumes; raw counts are binned."""
    from physrecon.cli.main import main

    columns, views, pitch, axis = 64, 90, 0.1, 34.5
    angles = np.arange(views) * 180.0 / views
    place, radius, mu = (0.8, -1.1), 0.9, 0.3  # (x, y) in mm from the axis
    u = (np.arange(columns * 8) - 3.5) / 8  # eight rays in a pixel
    x = place[0] * np.cos(np.deg2rad(angles)) + place[1] * np.sin(np.deg2rad(angles))
    away = (u - axis) * pitch - x[:, None]
    chord = 2 * np.sqrt(np.maximum(radius**2 - away**2, 0))
    light = np.exp(-mu * chord).reshape(views, columns, 8).mean(2)
    counts = np.repeat(np.rint(40000 * light)[:, None], 4, 1).astype(np.uint16)
    flats = np.full((1, 4, columns), 40000, np.uint16)
    pr.write_scan("s.h5", counts, angles, flats=flats, pixel_size="0.1mm", center=axis)
    for name, options in {
        "plain": [],
        "crop": ["--crop", "1:4,6:62"],
        "bin": ["--bin", "2"],
        "both": ["--bin", "1,2", "--crop", "7:61"],
    }.items():
        assert main(["recon", "s.h5", "-o", f"{name}.h5", *options]) == 0
        with pr.open_volume(f"{name}.h5") as volume:
            slice_ = np.asarray(volume[0], np.float64)
            half = volume.shape[1]
            size = volume.voxel_size[1]
            at = (np.arange(half) - (half - 1) / 2) * size
        away = np.hypot(at[:, None] - place[1], at[None] - place[0])
        inside = np.where(away < 1.4 * radius, slice_, 0)
        total = inside.sum()
        assert (inside.sum(0) @ at) / total == pytest.approx(place[0], abs=0.02)
        assert (inside.sum(1) @ at) / total == pytest.approx(place[1], abs=0.02)
        assert inside.sum() * size**2 == pytest.approx(mu * np.pi * radius**2, rel=0.03)
        assert size == pytest.approx(0.2 if "--bin" in options else 0.1)


def test_the_axis_is_found_in_bins_and_jobs_take_both_keys(here, capsys):
    from physrecon.cli.main import main

    pr.datasets.simulate_scan("s.h5", (4, 96, 96), views=120, center=50.25)
    assert main(["find-center", "s.h5", "--bin", "2"]) == 0
    said = capsys.readouterr().out
    found = float(said.split("center: ")[1].split()[0])
    assert found == pytest.approx((50.25 + 0.5) / 2 - 0.5, abs=0.1)
    text = 'input = "s.h5"\noutput = "v.h5"\nbin = 2\ncrop = "0:3,8:"\ncenter = 20.875\n'
    with open("job.toml", "w") as job:
        job.write(text)
    assert main(["run", "job.toml"]) == 0
    assert "counts summed over 2 × 2 pixels, 1 row left over" in capsys.readouterr().err
    with pr.open_volume("v.h5") as volume:
        assert volume.shape == (1, 44, 44)
