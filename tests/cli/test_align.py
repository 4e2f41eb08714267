"""`physrecon align`: from a scan that jitters to a job, and from that to a sharper volume."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import physrecon as pr
from physrecon.cli.main import main
from physrecon.cli.records import RECORDS
from physrecon.io import open_scan, open_volume

VIEWS, ROWS, COLUMNS = 30, 16, 24
DISTANCES = {"source_origin": 60, "source_detector": 90}
GIVEN = ["--angle-unit", "deg", "--line-integrals", "--pixel-size", "1.5mm"]
OF_KIND = {
    "parallel": [f"--angles=0..{180 - 180 / VIEWS:g}/{VIEWS}"],
    "cone": [
        *(f"--angles=0..{360 - 360 / VIEWS:g}/{VIEWS}", "--rotation", "counterclockwise"),
        *("--source-origin", "60mm", "--source-detector", "9cm"),
    ],
}


def geometry(kind, **more):
    turn = {"parallel": 180, "cone": 360}[kind]
    angles, shape = np.arange(VIEWS) * turn / VIEWS, (ROWS, COLUMNS)
    if kind == "parallel":
        return pr.TiltedBeam(angles, shape, angle_unit="deg", pixel_size=1.5, **more)
    return pr.ConeBeam(angles, shape, angle_unit="deg", pixel_size=1.5, **DISTANCES, **more)


def balls(grid):
    rng, x = np.random.default_rng(1), np.zeros(grid.shape, np.float32)
    z, b, u = np.meshgrid(*map(grid.axis, range(3)), indexing="ij", sparse=True)
    for _ in range(14):
        middle = rng.uniform(-1, 1, 3) * [4, 6, 6]
        away = np.sqrt(sum((c - m) ** 2 for c, m in zip((z, b, u), middle, strict=True)))
        x += rng.uniform(0.3, 1) * np.clip(rng.uniform(1.5, 4) - away, 0, 1).astype(np.float32)
    return x


@pytest.fixture(params=["parallel", "cone"])
def jittered(here, request):
    """A scan whose sample jumps by up to three columns; the kind, the truth, its geometry."""
    kind, rng = request.param, np.random.default_rng(3)
    scan = geometry(kind)
    shifts = rng.uniform(-2, 2, (VIEWS, 3)) * scan.default_grid().pitch[2] * [1, 0, 1]
    true = replace(scan, shifts=shifts, center=12.2)
    x = balls(scan.default_grid())
    np.save(here / "scan.npy", pr.Projector(true, scan.default_grid()) @ x)
    return kind, x


def error(path, x):
    """Part of x that a volume lacks; where it is on the grid no data tell, so it may move."""
    with open_volume(path) as volume:
        found = np.asarray(volume[:])
    product = np.fft.ifftn(np.fft.fftn(found) * np.fft.fftn(x).conj()).real.max()
    return 1 - product / np.linalg.norm(found) / np.linalg.norm(x)


def test_an_aligned_scan_gives_a_sharper_volume(jittered, here, capsys):
    kind, x = jittered
    given = [*GIVEN, *OF_KIND[kind]]
    fit = ["--method", "cgls", "--iterations", "15"]
    assert main(["recon", "scan.npy", "-o", "before.h5", *given, *fit, "--center", "12.2"]) == 0
    (here / "jobs").mkdir()
    argv = ["align", "scan.npy", "-o", "jobs/a.toml", *given, "--center", "11.5"]
    assert main(argv) == 0
    said = capsys.readouterr()
    column, pm = re.search(r"^center: (\S+) ± (\S+)$", said.out, re.M).groups()
    assert 0 < float(pm) < 0.2
    assert re.search(r"shifts: .* columns along the axis .* ± 0\.\d+\)", said.out)
    assert "no mean height" in said.err + said.out
    assert main(argv) == 73
    job = tomllib.loads(Path("jobs/a.toml").read_text())
    assert job["center"] == pytest.approx(float(column), abs=0.01)
    assert job["input"] == "../scan.npy" and job["geometry"]["shifts"] == "a.shifts.txt"
    settings = ["--set", "method=cgls", "--set", "stop.iterations=15", "--set", "zingers=none"]
    assert main(["run", "jobs/a.toml", "-o", "after.h5", *settings]) == 0
    assert error("after.h5", x) < 0.2 * error("before.h5", x)


def record(capsys, argv):
    assert main([*argv, "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    one = json.loads(line, parse_constant=pytest.fail)
    assert {*one} == {"record", *RECORDS["alignment"]}
    return one


def test_the_record_and_the_progress_of_an_alignment(here, capsys):
    scan = geometry("parallel", center=12.2)
    np.save("scan.npy", pr.Projector(scan) @ balls(scan.default_grid()))
    parts = []
    found = pr.align(
        np.load("scan.npy"), scan, "center", progress=lambda part, text: parts.append(part)
    )
    assert parts == sorted(parts) and parts[0] > 0 and parts[-1] <= 1
    argv = ["align", "scan.npy", *GIVEN, *OF_KIND["parallel"], "--center", "11.5"]
    one = record(capsys, [*argv, "--free", "center"])
    assert one["record"] == "alignment" and one["output"] == "scan_aligned.toml"
    assert one["values"]["center"] == pytest.approx(found.scan.center, abs=0.1)
    assert 0 < one["uncertainties"]["center"] < 0.2 and one["shifts"] is None
    assert one["residuals"][1] < one["residuals"][0]
    one = record(capsys, [*argv, "-o", "b.toml"])
    assert len(one["shifts"]) == 2 and one["shifts_file"] == "b.shifts.txt"


def test_tables_of_shifts_are_read_in_columns_of_the_detector(here):
    np.save("scan.npy", np.ones((VIEWS, ROWS, COLUMNS), np.float32))
    shifts = np.arange(VIEWS * 3.0).reshape(VIEWS, 3)
    np.savetxt("s.txt", shifts, header="z b u")
    np.save("s.npy", shifts)
    given = dict(line_integrals=True, pixel_size="1.5mm", angles="0..174/30", angle_unit="deg")
    for name in ("s.txt", "s.npy"):
        with open_scan("scan.npy", **given, geometry={"kind": "tilted", "shifts": name}) as scan:
            np.testing.assert_allclose(scan.geometry.shifts, 1.5 * shifts)
            assert Path(name) in scan.files
        table = {"kind": "tilted", "shifts": name}
        with open_scan("scan.npy", **given, geometry=table, bin=2) as scan:
            np.testing.assert_allclose(scan.geometry.shifts, 1.5 * shifts)
    table = {"kind": "tilted", "shifts": "s.txt"}
    with pytest.raises(pr.errors.DataError, match="shifts of 28 views"):
        open_scan("scan.npy", **given, geometry=table, exclude_views="0:2")


@pytest.mark.parametrize("more, words", [
    (["--free", "center,rise"], "expected some of center, shifts"),
    (["--free", "yaw"], "one of angles, center"),
    (["--memory", "100kB"], "--finest 2"),
    (["-o", "a.h5"], "ends in .toml"),
    (["--geometry", "fan", "--source-origin", "6cm", "--source-detector", "9cm"], "ConeBeam"),
])  # fmt: skip
def test_what_cannot_be_aligned_is_said(here, more, words, capsys):
    np.save("scan.npy", np.ones((VIEWS, ROWS, COLUMNS), np.float32))
    assert main(["align", "scan.npy", *GIVEN, *OF_KIND["parallel"], "--center", "11", *more]) == 64
    assert words in capsys.readouterr().err
