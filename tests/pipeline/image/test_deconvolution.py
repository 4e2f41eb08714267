"""From a blurred image to a sharp one: values, voxels and measured data."""

from __future__ import annotations

import os
import re

import numpy as np
import pytest
from blurred_images import INSIDE, PSF, blurred, command, error, make, put, read, scene

from physrecon import catalog
from physrecon.cli.main import main
from physrecon.io import open_image, write_image
from physrecon.operators.blur.blur import Blur
from physrecon.pipeline.image import problem as image_problem
from physrecon.pipeline.image.psf_model import trimmed
from physrecon.pipeline.image.survey import background_of, box_means
from physrecon.pipeline.run import open_task
from physrecon.psf import gaussian

# Values ---------------------------------------------------------------------------------------

METHODS = [
    "", "--no-acceleration", "--method mlem", "--method wiener", "--method tikhonov",
    "--method cgls --iterations 8", "--method landweber --iterations 50",
    "--method fista --nonnegative --iterations 20", "--method sirt --nonnegative --iterations 50",
    "--method pdhg --likelihood poisson --iterations 100",
    "--method lbfgs --likelihood poisson --iterations 15", "--prior tv --weight 0.001",
    "--prior huber-tv --weight 0.001 --set prior.delta=20", "--boundary reflect",
    "--method fista --prior tv --weight 1 --iterations 10", "--set stop.discrepancy=auto",
]  # fmt: skip


@pytest.mark.parametrize("options", METHODS)
def test_every_method_comes_nearer_to_the_truth(options, image):
    assert command(*options.split()) == 0
    x = read("o.tif")
    assert x.shape == image.shape and x.dtype == np.float32
    assert error(x, image) < 0.95 * error(read("i.tif"), image)
    assert x.sum() == pytest.approx(image.sum(), rel=0.05)


@pytest.mark.parametrize(
    "method", sorted({*catalog.IMAGE_METHODS} - {*catalog.IMAGE_DIRECT, "adam", "gd"})
)
def test_every_iterative_method_starts(method, image):
    assert command("--method", method, "--iterations", "2") == 0


def test_edges_of_a_scene_that_goes_on_need_the_unknown_boundary(image):
    for boundary in ("unknown", "zero"):
        assert command("--boundary", boundary, "-o", f"{boundary}.tif") == 0
    rim = np.ones(image.shape, bool)
    rim[3:-3, 3:-3] = False
    unknown, zero = (error(read(f"{b}.tif")[rim], image[rim]) for b in ("unknown", "zero"))
    assert unknown < 0.7 * zero


def test_background_is_not_part_of_the_result(here):
    truth = scene() - 100
    write_image("i.tif", (blurred(truth) + 500)[INSIDE], "YX")
    write_image("p.tif", PSF, "YX")
    for options in ([], ["--method", "wiener"], ["--method", "cgls", "--iterations", "4"]):
        assert command("--background", "500", *options, "--overwrite") == 0
        assert read("o.tif").sum() == pytest.approx(truth[INSIDE].sum(), rel=0.15)


def test_the_background_is_what_the_darkest_places_have_in_common(here):
    truth = np.zeros((96, 96))
    truth[20:60, 30:80] = 1000
    y = np.random.default_rng(0).poisson(truth + 50).astype(np.float32)
    assert background_of(box_means(y)) == pytest.approx(50, abs=3)
    assert background_of(box_means(np.stack([y] * 3))) == pytest.approx(50, abs=3)


def test_a_psf_off_its_middle_shifts_the_result_unless_its_centre_is_given(image, capsys):
    write_image("shifted.tif", np.pad(PSF, ((4, 0), (0, 0))), "YX")
    assert command(psf="shifted.tif", output="a.tif") == 0
    assert "+2.0, +0.0" in capsys.readouterr().err
    for center in ("8,4", "peak", "mass"):
        assert command("--psf-center", center, "--overwrite", psf="shifted.tif") == 0
        assert "its light lies" not in capsys.readouterr().err
        assert error(read("o.tif"), image) < 0.9 * error(read("a.tif"), image)


def test_a_stack_saved_as_a_series_is_one_where_its_axes_are_named(here, capsys):
    put(y=np.stack([blurred(scene())] * 4), psf=gaussian((3, 5, 5), 1.0))
    write_image("i.tif", read("i.tif"), "TYX", overwrite=True)
    assert command() == 65
    assert "--axes" in capsys.readouterr().err
    assert command("--axes", "ZYX", "--voxel-size", "2,1,1", "--length-unit", "um") == 0
    with open_image("o.tif") as image:
        assert image.axes == "ZYX" and image.voxel_size == (2, 1, 1)


def test_a_voxel_size_that_is_given_is_in_the_unit_of_the_file(image, capsys):
    write_image("u.tif", read("i.tif"), "YX", 0.5, "um")
    assert command("--voxel-size", "0.1", image="u.tif") == 0
    with open_image("o.tif") as result:
        assert result.voxel_size == pytest.approx((0.1, 0.1)) and result.length_unit in ("um", "µm")


def test_when_to_stop_does_not_depend_on_what_a_photon_makes_in_grey_values(image, capsys):
    y = read("i.tif")
    endings = []
    for gain in (1, 8):
        write_image("g.tif", gain * y, "YX", overwrite=True)
        stop = ["--set", "stop.discrepancy=auto", "--overwrite"]
        assert command(*stop, image="g.tif") == 0
        endings.append(capsys.readouterr().err.split("fitted after ")[1])
    assert endings[0] == endings[1]


def test_few_photons_are_not_made_to_more_than_they_are(here, capsys):
    truth = scene() / 50
    write_image("i.tif", blurred(truth)[INSIDE], "YX")
    write_image("p.tif", PSF, "YX")
    assert command() == 0
    assert "fitted after" in capsys.readouterr().err
    assert command("--iterations", "20", output="b.tif") == 0
    assert "noise is being fitted" in capsys.readouterr().err
    assert error(read("o.tif"), truth[INSIDE]) < error(read("i.tif"), truth[INSIDE])
    assert error(read("o.tif"), truth[INSIDE]) < 0.8 * error(read("b.tif"), truth[INSIDE])


def test_an_image_without_noise_is_worked_on_to_the_end(here, capsys):
    write_image(
        "i.tif", np.where(np.arange(400).reshape(20, 20) % 20 > 9, 9, 0).astype(np.uint8), "YX"
    )
    assert command(psf="gaussian:sigma=1") == 0
    assert "no noise is seen" in capsys.readouterr().err


def test_priors_know_that_planes_are_further_apart(here):
    A = Blur(np.ones((1, 1, 3)), (4, 5, 6))
    y = np.ones((4, 5, 6), np.float32)
    prior = {"name": "tv", "weight": 1.0}
    problem = image_problem.frame_problem(make(prior=prior), A, y, 0.0, (0.3, 0.1, 0.1))
    assert problem.prior.spacing == pytest.approx((3, 1, 1)) and problem.prior.axes == (0, 1, 2)
    planes = make(prior=prior, planewise=True)
    problem = image_problem.frame_problem(planes, A, y, 0.0, (0.3, 0.1, 0.1))
    assert problem.prior.axes == (1, 2)


def test_planewise_is_each_plane_by_itself(here):
    stack = np.stack([blurred(scene(seed=s)) for s in range(3)])
    write_image("i.tif", stack, "ZYX")
    write_image("p.tif", PSF, "YX")
    assert command() == 65
    assert command("--planewise") == 0
    for k in range(3):
        write_image("k.tif", stack[k], "YX", overwrite=True)
        assert command("--overwrite", image="k.tif", output="k_o.tif") == 0
        assert read("o.tif")[k] == pytest.approx(read("k_o.tif"), rel=1e-4, abs=1e-3)


def test_blind_writes_the_psf_it_found(image):
    assert command("--blind", "--iterations", "3") == 0
    psf = read("o.psf.tif")
    assert psf.shape == PSF.shape and psf.sum() == pytest.approx(1, rel=1e-4)
    assert not np.allclose(psf, PSF, rtol=1e-2)
    os.remove("o.tif")
    assert command("--blind", "--iterations", "3") == 73


# Voxels ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("output", ["o.tif", "o.h5", "o.ome.tif"])
def test_voxel_sizes_go_through(output, here, capsys):
    stack = np.random.default_rng(0).poisson(30, (6, 16, 18)).astype(np.uint16)
    write_image("i.tif", stack, "ZYX", (0.3, 0.1, 0.1), "um")
    write_image("p.tif", gaussian((3, 5, 5), 1.0), "ZYX", (300, 100, 100), "nm")
    assert command("--iterations", "2", output=output) == 0
    with open_image(output) as made:
        assert made.voxel_size == pytest.approx((0.3, 0.1, 0.1)) and made.length_unit == "um"
        assert made.axes == "ZYX" and made.shape == stack.shape
    assert main(["view", output]) == 0
    assert main(["info", output]) == 0


def test_voxel_sizes_that_disagree_are_named(image, capsys):
    write_image("fine.tif", PSF, "YX", 0.05, "um")
    assert command(psf="fine.tif") == 65
    err = capsys.readouterr().err
    for word in ("0.05", "0.1", "µm", "i.tif", "fine.tif", "resample", "--psf-voxel-size"):
        assert word in err
    assert command("--psf-voxel-size", "0.1", "--voxel-size", "0.1", "--length-unit", "um",
                   psf="fine.tif") == 0  # fmt: skip
    write_image("near.tif", PSF, "YX", 0.1004, "um")
    assert command("--overwrite", psf="near.tif") == 0
    write_image("pixels.tif", read("i.tif"), "YX")
    assert command(image="pixels.tif", psf="near.tif", output="q.tif") == 65
    assert "--voxel-size" in capsys.readouterr().err


def test_a_model_is_in_the_unit_of_the_voxels(image):
    job = make(psf="gaussian:sigma=0.13,shape=9")
    with open_task(job) as task:
        assert task.psf.values == pytest.approx(PSF)
    job = make(psf="gaussian:sigma=0.3,0.15")
    with open_task(job) as task:
        assert task.psf.values.shape[0] > 1.5 * task.psf.values.shape[1]
        assert task.psf.values.sum() > 0.99


def test_margins_of_a_model_that_hold_nothing_are_left_out():
    wide = gaussian((61, 61), (3.0, 1.0))
    narrow = trimmed(wide)
    assert narrow.sum() > 0.995 and narrow.shape[0] < 25 and narrow.shape[1] < 11
    middle = tuple(n // 2 for n in narrow.shape)
    assert np.unravel_index(narrow.argmax(), narrow.shape) == middle


# Measured data --------------------------------------------------------------------------------


def test_the_measured_grid(shared_data, here):
    """The two lines in the middle, 0.3 µm apart, are told from each other only afterwards."""
    folder = shared_data / "confocal_beads_grid"
    grid = folder / "DeconvolutionSampleVerticalGrid1AU-crop.tif"
    options = ["--oversize", "--background", "1"]
    assert command(*options, image=grid, psf=folder / "psf_distilled_normalised.tif") == 0

    def valley_to_peak(stack) -> float:
        profile = np.asarray(stack, np.float64)[5:16].mean((0, 1))[60:90]
        left, right = profile[:13].argmax(), 13 + profile[13:].argmax()
        return float(profile[left:right].min() / min(profile[left], profile[right]))

    assert valley_to_peak(read("o.tif")) < 0.6 < valley_to_peak(read(grid))


def test_the_iterations_are_found_from_the_data(image, capsys):
    plain = ("--method", "rl", "--no-acceleration", "--iterations")
    assert command(*plain, "auto") == 0
    said = "".join(capsys.readouterr())
    found = re.search(r"iterations: (\d+) \(auto, held-out, .* fit as well\)", said)
    assert found and command(*plain, found[1], "-o", "given.tif") == 0
    assert (read("o.tif") == read("given.tif")).all()
    assert error(read("o.tif"), image) < 0.95 * error(read("i.tif"), image)


def test_iterations_of_auto_and_another_rule_are_refused(image, capsys):
    for other in (("--prior", "tv"), ("--set", "stop.discrepancy=auto")):
        assert command("--iterations", "auto", *other) == 64
        assert "expected auto without a prior" in capsys.readouterr().err
