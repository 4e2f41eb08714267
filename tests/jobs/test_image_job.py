"""Jobs of deconvolution as files and options name them: words, and what follows from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from physrecon.cli.main import main
from physrecon.errors import ConfigError
from physrecon.io import open_image, write_image
from physrecon.jobs.image_job import ImageJob
from physrecon.pipeline.problem import make_solver, with_iterations
from physrecon.solvers import RichardsonLucy

TEXT = """\
input = "stack.tif"
psf = "psf.tif"
output = "out/sharp.tif"
psf_center = [2, 3, 3]
voxel_size = [0.3, 0.1, 0.1]
length_unit = "um"
background = "auto"
memory = "2GB"

[prior]
name = "tv"
weight = 0.01

[stop]
rtol = 1e-3

[solver]
accelerate = false
"""


def make(**fields) -> ImageJob:
    return ImageJob.build({"input": "i.tif", "psf": "p.tif", "output": "o.tif", **fields}, "test")


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# Words ----------------------------------------------------------------------------------------


BAD_WORDS = [
    (["--method", "lucy"], ["wiener", "rl"]),
    (["--method", "sart"], ["sirt"]),
    (["--method", "fbp"], ["wiener, tikhonov, adam, admm, cgls, fista, gd, landweber, lbfgs, "]),
    (["--method", "cgls", "--prior", "tv"], ["choose --method admm|fista|pdhg|rl\n"]),
    (["--boundary", "none"], ["unknown", "reflect"]),
    (["--background", "-3"], [">= 0", "auto"]),
    (["--psf-background", "some"], ["auto"]),
    (["--psf-center", "middle"], ["8,15,15", "peak"]),
    (["--voxel-size", "0.3,0,0.1"], ["> 0"]),
    (["--voxel-size", "1,2,3,4"], ["z,y,x"]),
    (["--length-unit", "parsec", "--voxel-size", "1"], ["um"]),
    (["--length-unit", "um"], ["voxel_size"]),
    (["--accuracy", "2"], ["between 0 and 1"]),
    (["--frames", "5:2"], ["a < b"]),
    (["--method", "wiener", "--iterations", "9"], ["iterative method", "rl"]),
    (["--method", "wiener", "--prior", "tv"], ["iterative method"]),
    (["--method", "wiener", "--set", "solver.weight=2"], ["noise", "balance"]),
    (["--method", "cgls", "--nonnegative"], ["nonnegative", "fista"]),
    (["--method", "mlem", "--likelihood", "least-squares"], ["poisson", "cgls"]),
    (["--method", "cgls", "--blind"], ["rl"]),
    (["--prior", "tgv", "--method", "rl"], ["prior", "pdhg"]),
    (["--set", "stop.discrepancy=-1"], ["> 0"]),
    (["--set", "psf_centre=3"], ["did you mean psf_center"]),
    (["--set", "solver.step=3"], ["accelerate"]),
    (["--slab-rows", "3"], ["--slab-rows", "expected one of"]),
]


@pytest.mark.parametrize("options, words", BAD_WORDS, ids=lambda v: " ".join(v))
def test_a_wrong_word_is_answered_with_the_right_one(options, words, here, capsys):
    assert main(["deconvolve", "i.tif", "--psf", "p.tif", "-o", "o.tif", *options]) == 64
    out, err = capsys.readouterr()
    assert out == "" and "Traceback" not in err
    for word in words:
        assert word in err
    assert not files(here)


@pytest.mark.parametrize(
    "psf, words",
    [
        ("gaussian", ["sigma"]),
        ("gaussian:sgma=2", ["did you mean sigma"]),
        ("gaussian:2", ["sigma=2"]),
        ("gaussian:sigma=-2", ["sigma", "above 0"]),
        ("gaussian:sigma=1,2,3", ["two dimensions", "one value or two"]),
        ("airy:na=1.2", ["wavelength"]),
        ("defocus:radius=0.4,shape=3,3", ["radius of at most 0.15, or a shape of at least (9, 9)"]),
        ("defocus:radius=1e4", ["(19, 19)", "give a radius of at most 0.95\n"]),
        ("motion:length=50,angle=30,angle_unit=deg", ["give a length of at most 2.193\n"]),
        ("born-wolf:wavelength=0.5,na=1.2,index=1.5", ["born-wolf", "choose airy"]),
    ],
)
def test_a_model_that_makes_no_sense(psf, words, here, capsys):
    write_image("i.tif", np.random.default_rng(0).random((20, 20), np.float32), "YX", 0.1, "um")
    assert main(["deconvolve", "i.tif", "--psf", psf, "-o", "o.tif"]) == 64
    err = capsys.readouterr().err
    for word in words:
        assert word in err


@pytest.mark.parametrize(
    "psf",
    [
        "gaussian:sigma=0.2,0.1",
        "gaussian:sigma=0.2,shape=5,5",
        "defocus:radius=0.3",
        "moffat:fwhm=0.3,beta=3",
        "motion:length=0.5,angle=0,angle_unit=deg",
        "airy:wavelength=0.5,na=1",
    ],
)
def test_a_model_of_a_plane_for_a_stack_names_planewise(psf, here, capsys):
    stack = np.random.default_rng(0).random((4, 20, 20), np.float32)
    write_image("i.tif", stack, "ZYX", 0.1, "um")
    line = ["deconvolve", "i.tif", "--psf", psf, "-o", "o.tif", "--iterations", "1"]
    assert main(line) == 64
    err = capsys.readouterr().err
    assert "(4, 20, 20)" in err and "add --planewise" in err and "19" not in err
    assert main([*line, "--planewise"]) == 0


# Files ----------------------------------------------------------------------------------------


def test_a_job_file_is_read_back_as_it_was_written(here):
    (here / "job.toml").write_text(TEXT)
    job = ImageJob.from_toml("job.toml")
    assert job.memory == 2 * 10**9 and job.psf_center == (2, 3, 3) and job.method == "rl"
    assert job.prior.weight == 0.01 and not make_solver(job).accelerate
    (here / "again.toml").write_text(job.to_toml())
    assert ImageJob.from_toml("again.toml") == job


def test_paths_start_from_the_folder_of_the_job_but_models_are_no_paths(here):
    (here / "sub").mkdir()
    path = here / "sub" / "job.toml"
    path.write_text(TEXT)
    job = ImageJob.from_toml(path)
    assert (job.input, Path(job.psf)) == (here / "sub/stack.tif", here / "sub/psf.tif")
    path.write_text(TEXT.replace("psf.tif", "gaussian:sigma=2"))
    assert ImageJob.from_toml(path).psf == "gaussian:sigma=2"


def test_what_does_not_change_the_result_does_not_change_the_job():
    job = make(memory="3GB", threads=2, overwrite=True)
    assert job.fingerprinted() == make().fingerprinted()
    assert make(boundary="zero").fingerprinted() != make().fingerprinted()


@pytest.mark.parametrize(
    "text, words",
    [
        ('input = "i"\npsf = "p"', ["output"]),
        ('input = "i"\npsf = 3\noutput = "o"', ["psf", "gaussian"]),
        ('input = "i"\npsf = "p"\noutput = "o"\nboundary = "none"', ["unknown"]),
        ('input = "i"\npsf = "p"\noutput = "o"\ncenter = 3', ["psf_center"]),
        ('input = "i"\npsf = "p"\noutput = "o"\npsf_center = "left"', ["peak"]),
        ('input = "i"\npsf = "p"\noutput = "o"\nvoxel_size = [1, 0]', ["> 0"]),
        ('input = "i"\npsf = "p"\noutput = "o"\naccuracy = 3', ["accuracy"]),
        ('input = "i"\npsf = "p"\noutput = "o"\n[prior]\nslicewise = true', ["slicewise"]),
    ],
)
def test_a_job_file_that_makes_no_sense(text, words, here):
    (here / "job.toml").write_text(text)
    with pytest.raises(ConfigError) as problem:
        ImageJob.from_toml("job.toml")
    for word in words:
        assert word in str(problem.value)


def test_a_psf_in_a_job_file_makes_it_one_of_an_image(here, capsys):
    y = np.random.default_rng(0).poisson(50, (24, 24)).astype(np.float32)
    write_image("i.tif", y, "YX")
    (here / "job.toml").write_text(
        'input = "i.tif"\npsf = "gaussian:sigma=1"\noutput = "a.tif"\nboundary = "reflect"\n'
        "[solver]\niterations = 3\n"
    )
    assert main(["run", "job.toml"]) == 0
    options = "--boundary reflect --iterations 3 -o b.tif --psf gaussian:sigma=1"
    assert main(["deconvolve", "i.tif", *options.split()]) == 0
    with open_image("a.tif") as a, open_image("b.tif") as b:
        assert np.array_equal(a[...], b[...]) and a.shape == (24, 24)
    before = Path("a.tif").read_bytes()
    assert main(["run", "job.toml"]) == 0 and Path("a.tif").read_bytes() == before  # done already
    assert main(["run", "job.toml", "--set", "stop.iterations=4"]) == 73
    assert Path("a.tif").read_bytes() == before
    assert main(["deconvolve", "job.toml", "--psf", "p", "-o", "o.tif"]) == 64
    assert "physrecon run job.toml" in capsys.readouterr().err


# What follows from what -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields, method, likelihood, nonnegative",
    [
        ({}, "rl", "poisson", True),
        ({"method": "mlem"}, "mlem", "poisson", True),
        ({"method": "cgls"}, "cgls", "least-squares", False),
        ({"method": "pdhg", "likelihood": "poisson"}, "pdhg", "poisson", True),
        ({"prior": "tv"}, "rl", "poisson", True),
        ({"prior": "wavelet"}, "pdhg", "least-squares", False),
        ({"method": "wiener"}, "wiener", "least-squares", False),
    ],
)
def test_the_likelihood_follows_from_the_method(fields, method, likelihood, nonnegative):
    job = make(**fields)
    assert (job.method, job.likelihood, job.nonnegative) == (method, likelihood, nonnegative)


def test_a_run_that_stops_by_itself_has_room_to():
    for fields in ({"stop": {"discrepancy": "auto"}}, {"prior": "tv"}):
        assert with_iterations(make(**fields)).stop.iterations > 3 * RichardsonLucy.iterations
    assert with_iterations(make(stop={"iterations": 7}, prior="tv")).stop.iterations == 7


def test_counts_are_not_fitted_beyond_their_noise_unless_iterations_are_given():
    stop = with_iterations(make()).stop
    assert (stop.iterations, stop.discrepancy) == (RichardsonLucy.iterations, "auto")
    for fields in ({"stop": {"iterations": 7}}, {"prior": "tv"}, {"method": "cgls"}):
        assert with_iterations(make(**fields)).stop.discrepancy is None
