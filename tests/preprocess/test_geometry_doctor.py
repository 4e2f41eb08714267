"""The geometry doctor names one planted fault of small scans, and none of sound ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import physrecon as pr
from physrecon.cli.main import main

VIEWS, COLUMNS, CENTER = 48, 48, 20.0
FULL = np.arange(VIEWS) * 360 / VIEWS


def scan_of(kind, degrees=FULL, rows=1, center=CENTER):
    given = {"angle_unit": "deg", "center": center}
    if kind is not pr.ParallelBeam:
        given |= {"source_origin": 100, "source_detector": 160}
    return kind(degrees, (rows, COLUMNS), **given)


def views(scan):
    """Line integrals of two bars and a ball, with noise."""
    grid = scan.default_grid()
    z, y, x = np.meshgrid(*map(grid.axis, range(3)), indexing="ij", sparse=True)
    half = grid.shape[2] * grid.pitch[2] / 2
    x, y, z = x / half, y / half, z / (np.abs(z).max() + 1)
    made = 1.0 * ((x / 0.5) ** 2 + ((y - 0.1) / 0.2) ** 2 + z**2 < 1)
    made += 0.7 * (((x - 0.3) / 0.15) ** 2 + ((y + 0.35) / 0.2) ** 2 + (z + 0.2) ** 2 < 0.7)
    made += 1.0 * (((x + 0.35) / 0.1) ** 2 + ((y + 0.2) / 0.25) ** 2 + 0 * z < 1)
    y = pr.Projector(scan) @ made.astype(np.float32)
    noise = np.random.default_rng(0).normal(0, 0.01 * y.max(), y.shape)
    return (y + noise).astype(np.float32)


def names(y, scan, center=None):
    return [fault.name for fault in pr.check_geometry(y, scan, center).faults]


@pytest.mark.parametrize(
    ("kind", "stated"), [(pr.ParallelBeam, None), (pr.FanBeam, 9.0), (pr.ConeBeam, None)]
)
def test_half_an_acquisition_is_sound(kind, stated):
    """The axis is off the middle; views see one half of the object each, in turn."""
    whole = scan_of(kind, center=38.0)
    wide = replace(whole, detector_shape=(1, 77))
    assert not names(views(wide)[:, :, 29:], replace(whole, center=9.0), stated)


@pytest.mark.parametrize("kind", [pr.ParallelBeam, pr.FanBeam])
@pytest.mark.parametrize(
    ("fault", "stated"),
    [
        (None, FULL),
        ("unit", np.radians(FULL)),
        ("unit", np.degrees(FULL)),
        ("span", FULL / 2),
        ("repeats", None),
        ("missing", None),
    ],
)
def test_angles(kind, fault, stated):
    true = FULL
    if fault == "repeats":
        true, stated = np.linspace(0, 360, VIEWS), FULL
    if fault == "missing":
        true, stated = FULL + 45 * (np.arange(VIEWS) > 20), FULL
        true = true * VIEWS / (VIEWS + 6)
    y = views(scan_of(kind, true))
    assert names(y, scan_of(kind, stated), CENTER) == ([fault] if fault else [])


@pytest.mark.parametrize("kind", [pr.FanBeam, pr.ConeBeam])
def test_a_wrong_sense_and_a_mirrored_detector_are_told_by_the_axis(kind):
    scan = scan_of(kind, rows=1 if kind is pr.FanBeam else 10)
    y = views(scan)
    assert names(y, scan, CENTER) == []
    assert names(y, replace(scan, angles=-FULL), CENTER) == ["rotation"]
    assert names(y[:, :, ::-1].copy(), scan, CENTER) == ["mirrored"]


@pytest.mark.parametrize("stated", ["forgotten", "in another unit"])
def test_distances_that_are_wrong(stated):
    true = scan_of(pr.FanBeam)
    far = replace(true, source_origin=1e5, source_detector=1.6e5)
    y = views(true)
    (fault,) = pr.check_geometry(
        y, scan_of(pr.ParallelBeam) if stated == "forgotten" else far
    ).faults
    assert fault.name == "distances"
    columns = float(fault.mend.split("about ")[1].split()[0])
    assert columns == pytest.approx(160, rel=0.2)


def test_parallel_rays_tell_no_sense():
    scan = scan_of(pr.ParallelBeam)
    found = pr.check_geometry(views(scan), replace(scan, angles=-FULL))
    assert found.faults == ()
    assert "may be mirrored" in found.undecided[0]


def test_axis():
    scan = scan_of(pr.FanBeam)
    (fault,) = pr.check_geometry(views(scan), scan.with_center(24.0), 24.0).faults
    assert fault.name == "axis"
    assert float(fault.mend.split()[1]) == pytest.approx(CENTER, abs=0.6)


def test_frames_whose_rows_are_columns():
    scan = scan_of(pr.ParallelBeam, rows=16)
    y = views(scan)
    assert names(y, scan) == []
    turned = pr.ParallelBeam(FULL, (COLUMNS, 16), angle_unit="deg")
    assert names(np.swapaxes(y, 1, 2).copy(), turned) == ["transposed"]


def test_views_that_do_not_change_tell_nothing():
    scan = scan_of(pr.FanBeam)
    y = np.random.default_rng(1).normal(0, 1, scan.shape)
    found = pr.check_geometry(y, scan)
    assert found.faults == ()
    assert "do not change" in found.undecided[-1]


def test_what_is_no_scan():
    scan = scan_of(pr.FanBeam)
    with pytest.raises(pr.ArgumentError, match="8 views and 16 columns"):
        pr.check_geometry(np.ones((4, 1, COLUMNS)), scan)
    with pytest.raises(pr.ArgumentError, match="parallel, fan or cone"):
        pr.check_geometry(np.ones(scan.shape), pr.Grid((1, 2, 2), 1.0))


def test_the_command_prints_options_that_exist(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.save("scan.npy", views(scan_of(pr.ParallelBeam)))
    given = ["scan.npy", "--angle-unit", "deg", "--line-integrals"]
    wrong = ["--angles", f"0..{FULL[-1] / 2:g}/{VIEWS}"]
    assert main(["check-geometry", *given, *wrong]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "span" in line[:5])
    option = line.split("give ")[1].split()
    assert main(["check-geometry", "scan.npy", "--line-integrals", *option]) == 0
    assert "no fault found" in capsys.readouterr().out


@pytest.mark.parametrize(("noise", "sure"), [(0.0, "sure"), (0.02, "likely")])
def test_repeated_views_are_as_sure_as_noise_lets_them_be(noise, sure):
    y = views(scan_of(pr.FanBeam, np.linspace(0, 360, VIEWS)))
    y += np.random.default_rng(1).normal(0, noise * y.max(), y.shape).astype(np.float32)
    (fault,) = pr.check_geometry(y, scan_of(pr.FanBeam), CENTER).faults
    assert fault.name == "repeats" and fault.sure == sure
