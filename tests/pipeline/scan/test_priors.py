"""Likelihoods, priors and their weights, as a job and the command line name them."""

from __future__ import annotations

import signal
import subprocess
import sys
import tomllib

import h5py
import numpy as np
import pytest
from discs import CENTER, COLUMNS, MU, disc_mask, line_integrals, write_scan

from physrecon import catalog
from physrecon.cli.main import main
from physrecon.errors import ConfigError
from physrecon.io import open_volume
from physrecon.jobs.scan_job import ScanJob
from physrecon.pipeline.problem import make_prior
from physrecon.pipeline.run import run

VIEWS = 45
INSIDE, AROUND = disc_mask(), disc_mask(radius=20.0)


@pytest.fixture
def scan(here):
    return write_scan(here / "scan.h5", rows=2, views=VIEWS)


@pytest.fixture
def noisy(here):
    return write_scan(here / "scan.h5", rows=3, views=24, data=counts(3, 24, seed=1))


def counts(rows, views, seed, light=2000.0):
    p = line_integrals(np.arange(views) * 180 / views, rows)
    sample = np.random.default_rng(seed).poisson(50 + light * np.exp(-p))
    return (50 + (sample - 50) * 9950 / light).clip(1).astype(np.uint16)


def make(**fields):
    return ScanJob.build({"input": "scan.h5", "output": "v.h5", "center": CENTER, **fields}, "test")


def reconstruct(name="v.h5", report=None, **fields):
    with open_volume(run(make(output=name, **fields), report)) as volume:
        return volume[:], tomllib.loads(volume.configuration["job"])


def assert_is_disc(volume, rel=0.03, first=0):
    for row, slice_ in enumerate(volume, first):
        assert slice_[INSIDE].mean() == pytest.approx(MU * (1 + row / 10), rel=rel)
        weight = np.where(AROUND & (slice_ > MU / 2), slice_, 0)
        x = np.arange(COLUMNS) - (COLUMNS - 1) / 2
        assert (weight.sum(1) @ x) / weight.sum() == pytest.approx(3.0, abs=0.2)
        assert (weight.sum(0) @ x) / weight.sum() == pytest.approx(-4.0, abs=0.2)


# What is reconstructed ------------------------------------------------------------------------

# small weights, which leave the disc as it is
SETTINGS = {
    "tikhonov": {"weight": 0.05},
    "smooth": {"weight": 0.05},
    "l1": {"weight": 1e-3},
    "wavelet": {"weight": 1e-3},
    "tv": {"weight": 1e-3},
    "huber-tv": {"weight": 1e-3, "delta": 0.003},
    "tgv": {"weight": 1e-3},
}


@pytest.mark.parametrize("name", catalog.PRIORS)
def test_every_prior_leaves_the_disc_where_it_is(name, scan):
    stop = {"iterations": {"tgv": 30, "wavelet": 150}.get(name, 60)}
    rows = {"slices": "1"} if name == "tgv" else {}
    volume, job = reconstruct(prior={"name": name, **SETTINGS[name]}, stop=stop, **rows)
    assert job["method"] == catalog.find(catalog.PRIORS, name).solver
    assert job["likelihood"] == "weighted"
    assert_is_disc(volume, rel=0.05 if rows else 0.03, first=1 if rows else 0)  # tgv is slow


@pytest.mark.parametrize("name", [name for name in catalog.PRIORS if name != "tgv"])
def test_a_heavier_prior_is_smaller(name, noisy):
    """R(x) falls with its weight in f(x) + w R(x)."""
    sizes = []
    for factor in (1, 1e4 if name in ("tikhonov", "smooth") else 100):
        prior = {"name": name, **SETTINGS[name]}
        prior["weight"] *= factor
        fields = {"stop": {"iterations": 40}, "slices": "1"}
        volume, _ = reconstruct(f"{factor}.h5", prior=prior, **fields)
        made = make_prior(make(prior=prior).prior, (1.0, 1.0, 1.0), (1, 2))
        sizes.append(made.value(volume) / made.weight)
    assert sizes[1] < 0.9 * sizes[0]


LIKELIHOODS = {
    "least-squares": "fista",
    "weighted": "fista",
    "transmission": "fista",
    "poisson": "osem",
    "huber": "fista",
    "student-t": "lbfgs",
}


@pytest.mark.parametrize("name", catalog.LIKELIHOODS)
def test_every_likelihood_gives_the_disc(name, noisy):
    iterations = 8 if LIKELIHOODS[name] == "osem" else 50
    stop = {"iterations": iterations}
    volume, job = reconstruct(method=LIKELIHOODS[name], likelihood=name, stop=stop)
    assert job["likelihood"] == name
    assert job["nonnegative"] == (name in ("transmission", "poisson"))
    assert_is_disc(volume)


@pytest.mark.parametrize("name", ["huber", "student-t"])
def test_outliers_are_left_aside(name, here):
    """Beside what least squares makes of them, where nothing else mends them."""
    data = counts(1, 45, seed=2)
    hit = np.random.default_rng(3).random(data.shape) < 0.02
    write_scan(
        here / "scan.h5", rows=1, views=45, data=np.where(hit, 60000, data).astype(np.uint16)
    )
    truth = np.where(disc_mask(radius=16.0), MU, 0.0)
    errors = {}
    for likelihood in (name, "least-squares"):
        stop = {"iterations": 30}
        volume, _ = reconstruct(
            f"{likelihood}.h5", method="lbfgs", likelihood=likelihood, stop=stop, zingers="none"
        )
        errors[likelihood] = np.linalg.norm((volume[0] - truth)[INSIDE])
    assert errors[name] < 0.7 * errors["least-squares"]


def test_raw_counts_need_no_dead_pixel(here):
    data = counts(2, VIEWS, seed=4)
    data[:, :, 20] = 0
    whites = np.full((4, 2, COLUMNS), 10_000, np.uint16)
    whites[:, :, 20] = 0
    write_scan(here / "scan.h5", rows=2, views=VIEWS, data=data, data_white=whites)
    volume, _ = reconstruct(method="fista", likelihood="transmission", stop={"iterations": 60})
    assert_is_disc(volume)
    assert volume.min() >= 0


def test_dark_counts_are_no_light(here):
    """As many counts from the dark as from the beam behind the object."""
    p = line_integrals(np.arange(VIEWS) * 4.0, 2)
    data = np.rint(4000 + 5000 * np.exp(-p)).astype(np.uint16)
    whites, darks = (np.full((4, 2, COLUMNS), n, np.uint16) for n in (9000, 4000))
    contents = {"data": data, "data_white": whites, "data_dark": darks}
    write_scan(here / "scan.h5", rows=2, views=VIEWS, **contents)
    volume, _ = reconstruct(method="fista", likelihood="transmission", stop={"iterations": 80})
    assert_is_disc(volume)


# How the weight is found ----------------------------------------------------------------------

QUICK = {"prior": {"name": "smooth"}, "method": "cgls", "stop": {"iterations": 6}}


def test_the_weight_does_not_know_the_slabs(noisy):
    whole, job = reconstruct("whole.h5", **QUICK)
    assert 0 < job["prior"]["weight"] < np.inf and job["prior"]["rule"] == "held-out"
    for rows in (1, 2):
        cut, again = reconstruct(f"{rows}.h5", slab_rows=rows, **QUICK)
        assert again == {**job, "output": f"{rows}.h5"}
        assert np.array_equal(cut, whole)


def test_more_and_less_of_the_weight_are_factors(noisy):
    weight = {}
    for word in ("auto", "auto*2", "auto/4"):
        given = {**QUICK, "prior": {"name": "smooth", "weight": word}}
        weight[word] = reconstruct("v.h5", overwrite=True, **given)[1]["prior"]["weight"]
    assert weight["auto*2"] == pytest.approx(2 * weight["auto"], rel=0.01)
    assert weight["auto/4"] == pytest.approx(weight["auto"] / 4, rel=0.01)


def test_the_weight_is_that_of_the_middle_row(noisy, capsys):
    words = ["--center", "22.3", "--prior", "smooth", "--method", "cgls", "--iterations", "6"]
    assert main(["recon", "scan.h5", "-o", "all.h5", *words]) == 0
    found = next(x for x in capsys.readouterr().out.splitlines() if x.startswith("weight: "))
    assert "held-out of" in found and "row 1; " in found and "auto*2 smooths more" in found
    assert main(["recon", "scan.h5", "-o", "one.h5", "--slices", "1", *words]) == 0
    assert found in capsys.readouterr().out.splitlines()
    weight = found.split()[1]
    assert main(["recon", "scan.h5", "-o", "given.h5", "--weight", weight, *words]) == 0
    with h5py.File("all.h5") as a, h5py.File("one.h5") as b, h5py.File("given.h5") as c:
        assert np.array_equal(a["data"][1], b["data"][0])
        assert np.array_equal(a["data"], c["data"])


def test_a_weight_that_is_found_beats_none_and_much(noisy):
    truth = np.where(disc_mask(radius=16.0), MU * 1.1, 0.0)

    def error(name, **prior):
        fields = {"method": "cgls", "stop": {"iterations": 15}, "slices": "1", **prior}
        return np.linalg.norm(reconstruct(name, **fields)[0][0] - truth)

    found = error("a.h5", prior={"name": "smooth"})
    assert found < error("b.h5", prior={"name": "smooth", "weight": 1e-6})
    assert found < error("c.h5", prior={"name": "smooth", "weight": 1e5})


@pytest.mark.thorough
def test_a_run_that_is_killed_goes_on_to_the_same_bytes(noisy, here):
    words = [
        "--center",
        "22.3",
        "--prior",
        "smooth",
        "--method",
        "cgls",
        "--iterations",
        "6",
        "--slab-rows",
        "1",
    ]
    assert main(["recon", "scan.h5", "-o", "whole.h5", *words]) == 0
    program = (
        "import os, signal, sys; from physrecon.cli.main import main;"
        "from physrecon.pipeline.scan.task import ScanTask;"
        "make, seen = ScanTask.make, [];\n"
        "def once(*a):\n"
        "    if seen: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    seen.append(1); return make(*a)\n"
        "ScanTask.make = once; main(sys.argv[1:])"
    )
    (here / "killed").mkdir()
    argv = ["recon", "scan.h5", "-o", "killed/whole.h5", *words]
    done = subprocess.run([sys.executable, "-c", program, *argv], capture_output=True)
    assert done.returncode == -signal.SIGKILL
    assert not (here / "killed/whole.h5").exists() and any((here / "killed").rglob("*.h5"))
    assert main(argv) == 0
    for slab in (here / "whole.h5.slabs").glob("*.h5"):
        assert slab.read_bytes() == (here / "killed/whole.h5.slabs" / slab.name).read_bytes()


def test_slices_that_are_coupled_need_one_slab(noisy, capsys):
    words = [
        "--center",
        "22.3",
        "--prior",
        "smooth",
        "--weight",
        "1",
        "--method",
        "cgls",
        "--iterations",
        "4",
    ]
    coupled = [*words, "--set", "prior.slicewise=false"]
    assert main(["recon", "scan.h5", "-o", "v.h5", "--slab-rows", "1", *coupled]) == 64
    assert "expected all 3 rows in one slab" in capsys.readouterr().err
    assert main(["recon", "scan.h5", "-o", "coupled.h5", *coupled]) == 0
    assert main(["recon", "scan.h5", "-o", "apart.h5", *words]) == 0
    with h5py.File("coupled.h5") as a, h5py.File("apart.h5") as b:
        jumps = [np.linalg.norm(np.diff(file["data"][:], axis=0)) for file in (a, b)]
    assert jumps[0] < 0.9 * jumps[1]


# Words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("weight", [0.25, "auto", "auto*2"])
def test_a_job_with_a_prior_survives_its_file(weight, here):
    prior = {"name": "huber-tv", "delta": 0.01, "rule": "gcv", "weight": weight}
    job = make(prior=prior, likelihood="huber", outlier=0.5, slices="1:2")
    (here / "job.toml").write_text(job.to_toml())
    read = ScanJob.from_toml("job.toml")
    assert read == job and read.prior.weight == weight and read.method == "fista"


def test_a_prior_may_be_given_by_its_name(here):
    (here / "short.toml").write_text('input = "s.h5"\noutput = "v.h5"\nprior = "tv"\n')
    short = ScanJob.from_toml("short.toml")
    assert short == make(input="s.h5", prior={"name": "tv"}, center="auto")
    assert ScanJob.from_toml("short.toml", {"prior": {"weight": 0.05}}).prior.weight == 0.05


def test_options_change_the_prior_of_a_file(noisy, here, capsys):
    text = 'input = "scan.h5"\noutput = "v.h5"\nmethod = "cgls"\ncenter = 22.3\n'
    (here / "job.toml").write_text(text + '[prior]\nname = "smooth"\nrule = "gcv"\n')
    assert main(["plan", "job.toml", "--weight", "0.05"]) == 0
    method = "cgls, at most 100 iterations, fewer where it has converged, weighted"
    assert f"{method}, prior smooth of weight 0.05" in capsys.readouterr().out
    assert main(["plan", "job.toml", "--prior", "tikhonov", "--likelihood", "least-squares"]) == 0
    assert "prior tikhonov of weight auto" in capsys.readouterr().out


TV = ["--prior", "tv"]
WRONG = {
    "prior": (["--prior", "tx"], ["--prior", "tikhonov", "tv"]),
    "prior, nearly": (["--prior", "wavlet"], ["did you mean wavelet"]),
    "likelihood": (["--likelihood", "transmision"], ["did you mean transmission"]),
    "rule": ([*TV, "--set", "prior.rule=gvc"], ["prior.rule", "did you mean gcv"]),
    "key": ([*TV, "--set", "prior.nam=tv"], ["did you mean name"]),
    "method": ([*TV, "--method", "cgls"], ["takes tv, got cgls", "admm|fista"]),
    "no iteration": ([*TV, "--method", "fbp"], ["iterative method", "fbp"]),
    "weight 0": ([*TV, "--weight", "0"], ["number > 0, or auto", "'0'"]),
    "weight < 0": ([*TV, "--weight", "-1"], ["number > 0, or auto", "'-1'"]),
    "weight nan": ([*TV, "--weight", "nan"], ["number > 0, or auto", "'nan'"]),
    "weight factor": ([*TV, "--weight", "auto*-2"], ["auto*2, auto/2", "'auto*-2'"]),
    "weight inf": ([*TV, "--set", "prior.weight=inf"], ["--weight", "> 0, or auto", "'inf'"]),
    "weight true": ([*TV, "--set", "prior.weight=true"], ["number > 0, or auto"]),
    "no prior": (["--weight", "0.1"], ["prior to go with weight", "--prior tikhonov|"]),
    "other prior": ([*TV, "--set", "prior.ratio=2"], ["isotropic, got ratio"]),
    "delta missing": (["--prior", "huber-tv"], ["delta for huber-tv", "--set prior.delta="]),
    "delta": (["--prior", "huber-tv", "--set", "prior.delta=0"], ["prior.delta", "got 0"]),
    "wavelet": (["--prior", "wavelet", "--set", "prior.wavelet=x9"], ["x9"]),
    "no counts": (
        ["--likelihood", "transmission", "--method", "lbfgs", "--line-integrals"],
        ["raw counts", "got line integrals", "--likelihood weighted"],
    ),
    "rings": (
        ["--likelihood", "transmission", "--method", "lbfgs", "--rings"],
        ["raw counts", "rings", "--likelihood weighted"],
    ),
    "outlier": (["--method", "gd", "--set", "outlier=-1"], ["outlier", "> 0, or auto"]),
    "solver of another": (
        ["--method", "lsqr", "--likelihood", "huber"],
        ["minimise huber, got lsqr", "lbfgs"],
    ),
    "no bound": (
        ["--method", "gd", "--likelihood", "poisson"],
        ["minimise poisson of values >= 0, got gd", "lbfgs|mlem"],
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_is_refused_before_anything_is_done(case, scan, here, capsys):
    options, words = WRONG[case]
    for command in (["recon", "scan.h5", "-o", "v.h5"], ["plan", "scan.h5"]):
        assert main([*command, *options]) == 64
        out, err = capsys.readouterr()
        assert "center" not in out and "Traceback" not in err
        assert "expected" in err and all(word in err for word in words), err
    assert [path.name for path in here.iterdir()] == ["scan.h5"]


@pytest.mark.parametrize(
    "text, word",
    [
        ('prior = "tx"', "prior"),
        ('[prior]\nname = "tv"\nweight = -1', "prior.weight: expected a number > 0, or auto"),
        ('[prior]\nname = "tv"\nrule = "gvc"', "did you mean gcv"),
        ("[prior]\nweight = 1", "prior to go with weight"),
        ('method = "cgls"\nprior = "tv"', "takes tv, got cgls"),
        ('likelihood = "weigthed"\nmethod = "gd"', "did you mean weighted"),
    ],
)
def test_a_job_file_that_cannot_be(text, word, scan, here, capsys):
    (here / "job.toml").write_text(f'input = "scan.h5"\noutput = "v.h5"\n{text}\n')
    assert main(["run", "job.toml"]) == 78
    err = capsys.readouterr().err
    assert "job.toml" in err and word in err
    with pytest.raises(ConfigError):
        ScanJob.from_toml("job.toml")
    assert {path.name for path in here.iterdir()} == {"scan.h5", "job.toml"}
