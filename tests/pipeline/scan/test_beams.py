"""Fan, cone, helical and tilted beams from a job to a volume."""

from __future__ import annotations

import re
import tomllib

import numpy as np
import pytest

import physrecon as pr
from physrecon.cli.main import main
from physrecon.errors import ArgumentError
from physrecon.io import open_scan, open_volume
from physrecon.jobs.scan_job import ScanJob
from physrecon.pipeline.run import open_task, plan, run
from physrecon.pipeline.scan.mask import field_of_view
from physrecon.pipeline.scan.rotation import residuals_of
from physrecon.pipeline.scan.stated import no_direct_method

VIEWS, ROWS, COLUMNS, MU = 40, 20, 24, 0.5
DISTANCES = {"source_origin": "40mm", "source_detector": "60mm"}
NO_DISTANCES = dict.fromkeys(DISTANCES)
ANGLES = np.arange(VIEWS) * 360 / VIEWS
GIVEN = [
    *("--angles", f"0..{ANGLES[-1]:g}/{VIEWS}", "--angle-unit", "deg", "--line-integrals"),
    *("--pixel-size", "1.5mm", "--source-origin", "40mm", "--source-detector", "6cm"),
]


def geometry(kind=pr.ConeBeam, angles=ANGLES, rows=ROWS, **more):
    return kind(
        angles, (rows, COLUMNS), angle_unit="deg", pixel_size=1.5, source_origin=40,
        source_detector=60, **more,
    )  # fmt: skip


def ellipsoid(grid):
    z, y, x = np.meshgrid(*map(grid.axis, range(3)), indexing="ij", sparse=True)
    return np.float32(MU) * (((x - 2) / 7) ** 2 + (y / 5) ** 2 + (z / 6) ** 2 < 1)


@pytest.fixture
def cone(here):
    return written(here, geometry())


def written(here, scan):
    y = pr.Projector(scan) @ ellipsoid(scan.default_grid()).astype(np.float32)
    np.save(here / "scan.npy", y)
    return y


def job(**more):
    table = {"kind": "cone", "rotation": "counterclockwise", **DISTANCES}
    table |= more.pop("geometry", {})
    values = {
        "input": "scan.npy", "output": "out.h5", "angles": f"0..{ANGLES[-1]:g}/{VIEWS}",
        "angle_unit": "deg", "line_integrals": True, "pixel_size": "1.5mm",
        "geometry": table, "zingers": "none",
    }  # fmt: skip
    return ScanJob.build(values | more, "test")


def values_of(path="out.h5"):
    with open_volume(path) as volume:
        return np.asarray(volume[:]), volume.voxel_size, volume.length_unit


def test_recon_of_a_cone_is_fdk(cone, capsys):
    assert main(["recon", "scan.npy", "-o", "out.h5", *GIVEN, "--rotation", "counterclockwise",
                 "--zingers", "none"]) == 0  # fmt: skip
    said = "".join(capsys.readouterr())
    center = float(re.search(r"center: (\S+) ± 0\.\d+ \(found by conjugate rays", said)[1])
    assert center == pytest.approx((COLUMNS - 1) / 2, abs=0.1)
    found, pitch, unit = values_of()
    expected = pr.fdk(cone, geometry(center=center))
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
    assert pitch == pytest.approx((1, 1, 1)) and unit == "mm"
    inside = found[8:12, 10:14, 12:16].mean()
    assert inside == pytest.approx(MU, rel=0.05)
    for words in ("cone beam, source 40 mm", "fdk", "full turn"):
        assert words in said, said


@pytest.mark.parametrize("kind", ["fan", "cone"])
def test_the_volume_is_the_same_from_any_cut(here, kind):
    written(here, geometry({"fan": pr.FanBeam, "cone": pr.ConeBeam}[kind], rows=40))
    table = {"geometry": {"kind": kind}}
    run(job(**table))
    whole = values_of()[0]
    for name, cut in {"slabs": {"slab_rows": 7}, "part": {"slices": "9:27"}}.items():
        run(job(**table, **cut, output=f"{name}.h5"))
        part = values_of(f"{name}.h5")[0]
        np.testing.assert_array_equal(part, whole[9:27] if name == "part" else whole)


def test_a_slab_reads_the_rows_that_it_needs(here):
    written(here, geometry(rows=80))
    with open_task(job(slices="64:72")) as task:
        rows = task.slab(slice(0, 8)).rows
        assert 45 < rows.start < 64 and rows.stop == 80
        whole = task.geometry.rows_seen(task.whole_grid, slice(64, 72))
        assert rows.start <= whole.start and rows.stop >= whole.stop


def test_iterations_take_a_cone_in_one_piece_and_the_plan_says_it(cone):
    some = job(method="cgls", stop={"iterations": 12})
    planned = plan(some)
    assert len(planned.pieces) == 1
    assert any("one piece, as rays of a cone beam" in line for line in planned.lines())
    run(some)
    found = values_of()[0]
    truth = ellipsoid(geometry().default_grid())
    assert np.linalg.norm(found - truth) < 0.2 * np.linalg.norm(truth)


@pytest.mark.parametrize("changes, words", [
    ({"method": "cgls", "memory": "100MB"}, ["--bin 2", "--method fdk"]),
    ({"method": "cgls", "slab_rows": 4}, ["all 20 slices", "--method fdk"]),
    ({"method": "cgls", "slices": "2:4"}, ["direct method", "--method fdk"]),
    ({"slices": "2:400"}, ["slices within 0:20"]),
    ({"method": "fdk", "geometry": {"roll": "2deg"}}, ["roll", "--method cgls"]),
    ({"geometry": {"source_origin": "40"}}, ["unit", "40mm", "40px"]),
])  # fmt: skip
def test_what_cannot_be_done_is_said_with_a_way_out(cone, changes, words):
    with pytest.raises(ArgumentError) as caught:
        plan(job(**changes))
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize("more, method, words", [
    ({}, "fdk", "filtered backprojection of a cone beam"),
    ({"method": "fbp"}, "fdk", "filtered backprojection of a cone beam"),
    ({"geometry": {"detector": "curved"}}, "fdk", "filtered backprojection of a cone beam"),
    ({"geometry": {"roll": "2deg"}}, "cgls", "roll is stated"),
    ({"angles": f"0..100/{VIEWS}"}, "cgls", "a half turn and the angle of the fan"),
    ({"geometry": {"kind": "helical", "rise": "3mm"}}, "fdk", "backprojection of a helical beam"),
    ({"geometry": {"kind": "helical", "rise": "90mm"}}, "cgls", "a rise of at most"),
    ({"geometry": {"kind": "helical", "rise": "3mm", "yaw": "1deg"}}, "cgls", "yaw is stated"),
    ({"geometry": {"kind": "tilted", "tilt": "30deg", **NO_DISTANCES}}, "fbp", "tilted beam"),
    ({"geometry": {"kind": "tilted", "tilt": "30deg", **NO_DISTANCES},
      "angles": f"0..180/{VIEWS}"}, "cgls", "views over a full turn"),
    ({"geometry": {"kind": "tilted", "roll": "5deg", **NO_DISTANCES}}, "cgls", "a roll of 5°"),
])  # fmt: skip
def test_the_method_follows_from_the_beam(cone, more, method, words):
    with open_task(job(**more)) as task:
        assert task.job.method == method
        assert words in "\n".join(task.notes)


def test_fdk_of_parallel_rays_is_fbp(cone):
    table = {"kind": "parallel", "source_origin": None, "source_detector": None}
    with open_task(job(method="fdk", geometry=table)) as task:
        assert task.job.method == "fbp" and "parallel" in "\n".join(task.notes)


@pytest.mark.parametrize("tilted", [True, False])
def test_beams_without_a_direct_method_are_fitted(here, tilted):
    table = {"kind": "helical", "rise": "4mm", "yaw": "2deg", "rotation": "counterclockwise"}
    made = geometry(pr.HelicalCone, rise=4, yaw=2)
    if tilted:
        table = {"kind": "tilted", "roll": "5deg", **NO_DISTANCES}
        made = pr.TiltedBeam(ANGLES, (ROWS, COLUMNS), angle_unit="deg", pixel_size=1.5, roll=5)
    y = written(here, made)
    run(job(geometry=table))
    x = values_of()[0]
    assert np.linalg.norm(pr.Projector(made) @ x - y) < 0.05 * np.linalg.norm(y)


def test_the_table_and_the_options_are_one_job(here):
    given = [*GIVEN, "--geometry", "cone", "--roll", "0.5deg", "--set", "geometry.row_offset=2"]
    table = tomllib.loads(job(geometry={"roll": "0.5deg", "row_offset": 2.0}).to_toml())
    assert table["geometry"]["roll"] == "0.5deg" and "tilt" not in table["geometry"]
    again = here / "job.toml"
    text = job(geometry={"roll": "0.5deg", "row_offset": 2.0}).to_toml()
    again.write_text(text.replace('method = "fbp"', 'method = "sirt"'))
    written(here, geometry())
    assert main(["plan", str(again)]) == 0
    assert main(["plan", "scan.npy", *given]) == 0
    with open_task(ScanJob.from_toml(again)) as task:
        assert task.geometry.roll == pytest.approx(0.5) and task.geometry.row_offset == 2


@pytest.mark.parametrize("kind", ["fan", "cone"])
@pytest.mark.parametrize("sense", [1, -1])
def test_the_axis_of_every_command_is_that_of_the_data(here, kind, sense, capsys):
    make = {"fan": pr.FanBeam, "cone": pr.ConeBeam}[kind]
    written(here, geometry(make, sense * ANGLES, center=12.4))
    given = [*GIVEN, "--geometry", kind, "--zingers", "none"]
    assert main(["find-center", "scan.npy", *GIVEN, "--geometry", kind]) == 0
    found = re.findall(r"center: (\S+) ± (\S+) \(found by conj", capsys.readouterr().out)[0]
    assert float(found[0]) == pytest.approx(12.4, abs=0.05) and float(found[1]) < 0.3
    assert main(["recon", "scan.npy", "-o", "out.h5", *given]) == 0
    assert f"center: {found[0]} ± {found[1]} (found by" in capsys.readouterr().out
    assert main(["try", "scan.npy", *given, "--vary", "filter=ram-lak,hann"]) == 0
    assert f"center: {found[0]} ± {found[1]} (found by" in capsys.readouterr().out


def test_an_axis_that_no_data_tell_is_the_middle_and_this_is_said(here, capsys):
    written(here, geometry(angles=np.linspace(0, 60, VIEWS)))
    given = [*GIVEN, "--angles", f"0..60/{VIEWS}"]
    assert main(["plan", "scan.npy", *given]) == 0
    assert "center: found by the run" in capsys.readouterr().out
    assert main(["recon", "scan.npy", "-o", "out.h5", *given, "--method", "cgls",
                 "--iterations", "2"]) == 0  # fmt: skip
    said = capsys.readouterr()
    assert "center: 11.5 (the middle of the detector" in said.out
    assert "it was not found in the data" in said.err and "two views measure" in said.err
    assert main(["find-center", "scan.npy", *given]) == 65
    assert "two views measure" in capsys.readouterr().err


@pytest.mark.parametrize("sense", ["counterclockwise", "clockwise"])
def test_the_sense_of_rotation_is_found(here, sense, capsys):
    sign = 1 if sense == "counterclockwise" else -1
    written(here, geometry(angles=sign * ANGLES))
    assert main(["recon", "scan.npy", "-o", "out.h5", *GIVEN]) == 0
    assert f"rotation: {sense}, by the residuals of both senses" in capsys.readouterr().out
    truth = ellipsoid(geometry().default_grid())
    assert np.linalg.norm(values_of()[0] - truth) < 0.35 * np.linalg.norm(truth)


def test_a_round_object_tells_no_sense():
    fan = geometry(pr.FanBeam, rows=1)
    away = np.sin(np.arctan((np.arange(COLUMNS) - (COLUMNS - 1) / 2) * 1.5 / 60)) * 40
    chords = 2 * np.sqrt(np.maximum(6**2 - away**2, 0)).astype(np.float32)
    one, other = residuals_of(np.tile(chords, (VIEWS, 1, 1)), fan, 20).values()
    assert one == pytest.approx(other, rel=1e-3)


def test_the_field_of_view_is_the_circle_that_the_outermost_rays_touch():
    fan = geometry(pr.FanBeam, rows=1)
    source, edge = fan.rays().source[0], fan.rays().points([0], [COLUMNS - 0.5])[0, 0, 0]
    way = (edge - source) / np.linalg.norm(edge - source)
    assert field_of_view(fan) == pytest.approx(np.linalg.norm(np.cross(source, way)))


@pytest.mark.parametrize("span, short", [(360, False), (240, False), (180, True)])
def test_views_that_are_too_few_for_fdk_are_told(span, short):
    fan = geometry(pr.FanBeam, np.arange(0, span, 6.0))
    assert bool(no_direct_method(fan, "fan")) == short
    if not short:
        pr.fdk(np.zeros(fan.shape, np.float32), fan)


def test_weights_masks_and_subsets_work_on_a_cone(cone):
    noise = np.random.default_rng(0).normal(0, 0.2, cone.shape)
    np.save("scan.npy", (cone + noise).astype(np.float32))
    run(job(prior={"name": "tv", "weight": "auto"}, nonnegative=True,
            mask="circle"))  # fmt: skip
    assert values_of()[0].min() >= 0
    run(job(method="osem", stop={"iterations": 3}, output="em.h5", likelihood="poisson"))
    assert np.isfinite(values_of("em.h5")[0]).all()


def test_the_other_commands_take_a_cone(cone, capsys):
    for words in (
        ["info", "scan.npy", *GIVEN],
        ["try", "scan.npy", *GIVEN, "--vary", "filter=ram-lak,hann"],
        ["convert", "scan.npy", "-o", "copy.h5", *GIVEN],
        ["recon", "scan.npy", "-o", "out.h5", *GIVEN],
        ["report", "out.h5"],
    ):
        assert main(words) == 0, words
    assert main(["find-center", "scan.npy", *GIVEN, "--plot", "axis.png"]) == 64
    said = capsys.readouterr()
    assert "expected a parallel beam, got a cone one" in said.err
    assert "cone beam" in said.out + said.err
    with open_scan("copy.h5", line_integrals=True) as copy:
        assert copy.geometry == geometry()
