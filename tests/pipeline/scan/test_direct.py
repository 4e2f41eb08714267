"""Direct methods of helical and tilted beams from a job to a volume, however it is cut."""

from __future__ import annotations

import numpy as np
import pytest

import physrecon as pr
from physrecon.cli.main import main
from physrecon.io import open_volume
from physrecon.jobs.scan_job import ScanJob
from physrecon.pipeline.run import open_task, plan, run

VIEWS, COLUMNS, MU = 160, 24, 0.5
ANGLES = np.linspace(-720, 711, VIEWS)
CASES = {
    "helical": (
        pr.HelicalCone(
            ANGLES, (20, COLUMNS), angle_unit="deg", pixel_size=1.5, source_origin=40,
            source_detector=60, rise=6,
        ),
        {"kind": "helical", "source_origin": "40mm", "source_detector": "60mm", "rise": "6mm",
         "rotation": "counterclockwise"},
        ("method: fdk, the filtered backprojection of a helical beam", "weights: helix, slices"),
    ),
    "tilted": (
        pr.TiltedBeam(ANGLES, (40, COLUMNS), angle_unit="deg", pixel_size=1.0, tilt=30),
        {"kind": "tilted", "tilt": "30deg"},
        ("method: fbp, the filtered backprojection of a tilted beam", "tilted by 30°; freq"),
    ),
}  # fmt: skip


def ellipsoid(grid):
    z, y, x = np.meshgrid(*map(grid.axis, range(3)), indexing="ij", sparse=True)
    inside = ((x - 2) / 6) ** 2 + (y / 4) ** 2 + ((z - 3) / 5) ** 2 < 1
    return (MU * inside).astype(np.float32)


def job(kind, **more):
    scan, table, _ = CASES[kind]
    values = {
        "input": "scan.npy", "output": "out.h5", "angles": f"-720..711/{VIEWS}",
        "angle_unit": "deg", "line_integrals": True, "zingers": "none", "geometry": table,
        "pixel_size": f"{scan.column_pitch}mm", "center": 11.5,
    }  # fmt: skip
    return ScanJob.build(values | more, "test")


@pytest.fixture(params=CASES)
def kind(request, here):
    scan = CASES[request.param][0]
    y = pr.Projector(scan) @ ellipsoid(scan.default_grid())
    np.save(here / "scan.npy", y)
    return request.param


def values_of(path="out.h5"):
    with open_volume(path) as volume:
        return np.asarray(volume[:])


def test_the_volume_is_that_of_the_direct_method_from_any_cut(kind):
    scan = CASES[kind][0]
    run(job(kind))
    whole, y = values_of(), np.load("scan.npy")
    expected = (pr.fdk if kind == "helical" else pr.fbp)(y, scan)
    np.testing.assert_allclose(whole, expected, atol=1e-5 * np.abs(expected).max())
    for name, cut in {"slabs": {"slab_rows": 7}, "part": {"slices": "9:27"}}.items():
        run(job(kind, **cut, output=f"{name}.h5"))
        part = values_of(f"{name}.h5")
        np.testing.assert_array_equal(part, whole[9:27] if name == "part" else whole)


def test_method_and_weights_are_said(kind, capsys):
    text = job(kind).to_toml()
    with open("job.toml", "w", encoding="utf-8") as file:
        file.write(text.replace('method = "fbp"\n', ""))
    assert main(["run", "job.toml"]) == 0
    said = "".join(capsys.readouterr())
    for words in CASES[kind][2]:
        assert words in said, said


def test_the_plan_says_which_slices_of_a_helix_are_covered(kind):
    lines = "\n".join(plan(job(kind)).lines())
    assert ("are covered" in lines) == (kind == "helical")


def test_a_slab_reads_the_rows_that_it_needs(kind):
    with open_task(job(kind, slices="0:4")) as task:
        rows = task.slab(slice(0, 4)).rows
        seen = task.geometry.rows_seen(task.whole_grid, slice(0, 4))
        assert rows.start <= seen.start and rows.stop >= seen.stop
        assert kind == "helical" or rows.stop < 40
