"""The catalog: every word names what satisfies its contract and stands in the zoo."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, fields, is_dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
import zoo

import physrecon as pr
from physrecon import catalog
from physrecon.catalog import LIKELIHOODS, PRIORS, SOLVERS, find, find_all
from physrecon.errors import ArgumentError
from physrecon.likelihoods import Likelihood
from physrecon.priors import Prior
from physrecon.solvers import ArraysHeld, State

KINDS = {"quadratic", "smooth", "prox", "composed", "infimal", "surrogate"}


def of_type(owner, facts):
    for name, kind in facts.items():
        assert type(getattr(owner, name)) is kind, f"{owner.__name__}.{name}"


@pytest.mark.parametrize(
    "table, word", [(t, w) for t in (SOLVERS, catalog.BLIND_SOLVERS) for w in t]
)
def test_a_solver_states_its_facts(table, word):
    solver = find(table, word)
    assert is_dataclass(solver) and issubclass(solver().state_type, State)
    flags = ("takes_constraint", "needs_views", "counts_only", "certified")
    of_type(solver, {"iterations": int, "holds": ArraysHeld})
    of_type(solver, dict.fromkeys(flags, bool))
    assert solver.iterations > 0 and min(solver.holds) >= 2
    assert {*solver.accepts} <= KINDS
    assert solver().name == word or table is not SOLVERS


@pytest.mark.parametrize("word", LIKELIHOODS)
def test_a_likelihood_states_its_facts(word):
    likelihood = find(LIKELIHOODS, word)
    assert issubclass(likelihood, Likelihood)
    of_type(likelihood, {"holds": int, "settings": tuple})
    of_type(likelihood, dict.fromkeys(("counts", "raw_counts", "quadratic", "convex"), bool))
    A = zoo.unlike()
    y = zoo.counts_for(A)
    found = likelihood.find_settings(np.random.default_rng(0).standard_normal((6, 2, 20)))
    assert {*found} == {*likelihood.settings} and all(value > 0 for value in found.values())
    f = likelihood.for_slab(A, y, blank=9.0, dark=0.5, **found)
    assert type(f) is likelihood and f.A is A and f.y.shape == y.shape


@pytest.mark.parametrize("word", PRIORS)
def test_a_prior_states_its_facts(word):
    prior = find(PRIORS, word)
    assert is_dataclass(prior) and issubclass(prior, Prior)
    of_type(prior, {"holds": int, "solver": str, "capabilities": tuple})
    assert prior.holds > 0 and {*prior.capabilities} <= KINDS
    assert {*prior.capabilities} & {*find(SOLVERS, prior.solver).accepts}
    assert {*prior.settings()} <= {field.name for field in fields(prior)} - {"weight"}
    made = prior(
        2.0, **{name: 0.5 for name, field in prior.settings().items() if field.default is MISSING}
    )
    assert made.weight == 2 and made.capabilities == prior.capabilities


@pytest.mark.parametrize("word", catalog.GEOMETRIES)
def test_a_geometry_states_its_facts(word):
    geometry = find(catalog.GEOMETRIES, word)
    assert is_dataclass(geometry) and getattr(pr, geometry.__name__) is geometry
    of_type(geometry, {"separable": bool})
    for needed in ("shape", "default_grid", "part", "rows_seen", "with_center", "rays"):
        assert hasattr(geometry, needed)


def test_methods_that_need_views_are_not_for_images():
    of_views = {word for word, solver in find_all(SOLVERS).items() if solver.needs_views}
    assert {*catalog.NOT_FOR_IMAGES} == of_views | {"gauss-newton"}


@pytest.mark.parametrize(
    "names, meant",
    [
        ("cgls CG conjugate_gradient", "ConjugateGradient"), ("LSMR", "LSQR"), ("ART", "Kaczmarz"),
        ("OSSART OS_SART OSSIRT", "SART"), ("ASDPOCS ASD_POCS CP ChambollePock", "PDHG"),
        ("EM MART", "MLEM"), ("ISTA Fista", "FISTA"), ("rl", "RichardsonLucy"),
        ("tv", "TotalVariation"), ("L2", "Tikhonov"), ("KL", "PoissonLikelihood"),
        ("FBP", "fbp"), ("FDK", "fdk"), ("Radon", "Projector"), ("BFGS lbfgs", "LBFGS"),
    ],
)  # fmt: skip
def test_a_name_of_the_field_leads_to_ours(names, meant):
    assert meant in pr.__all__
    for name in names.split():
        with pytest.raises(AttributeError, match=f"no attribute '{name}'; did you mean {meant}"):
            getattr(pr, name)
    assert not hasattr(pr, "nothing_of_the_kind") and {*catalog.FIELD_NAMES.values()} <= {
        *pr.__all__
    }


def test_every_word_stands_in_the_zoo():
    solvers = {type(solver) for solver in zoo.ALL_SOLVERS}
    likelihoods = {type(case.values[0]("f8")) for case in zoo.LIKELIHOODS}
    priors = {type(case.values[0]()) for case in zoo.PRIORS}
    assert {*find_all(SOLVERS).values()} == solvers and len(zoo.ALL_SOLVERS) == len(SOLVERS)
    assert {*find_all(LIKELIHOODS).values()} <= likelihoods
    assert {*find_all(PRIORS).values()} <= priors


def test_models_of_the_psf_are_functions():
    assert all(callable(model) for model in find_all(catalog.PSF_MODELS).values())


def test_a_word_that_is_not_there():
    with pytest.raises(ArgumentError, match="got 'cgsl'; did you mean cgls"):
        find(SOLVERS, "cgsl")


def test_the_words_of_other_rooms_are_theirs():
    from physrecon.analytic.fbp import FILTERS, PADDINGS
    from physrecon.analytic.wiener import tikhonov_filter, wiener
    from physrecon.arrays.device import DEVICES
    from physrecon.cli.main import parser
    from physrecon.datasets.simulate import PHANTOMS
    from physrecon.geometry.point_source import DETECTORS
    from physrecon.geometry.turning_scan import ANGLE_UNITS
    from physrecon.io.images.linearise import CURVES
    from physrecon.io.scans import setup
    from physrecon.io.units import LENGTHS
    from physrecon.jobs.image_job import ImageJob
    from physrecon.operators.blur.arguments import BOUNDARIES
    from physrecon.preprocess.rings import RINGS
    from physrecon.preprocess.zingers import ZINGERS

    assert tuple(setup.KINDS) == catalog.BEAMS
    assert ("auto", *setup.SENSES) == catalog.ROTATIONS
    assert DETECTORS == catalog.DETECTORS
    assert tuple(FILTERS) == catalog.FILTERS and PADDINGS == catalog.PADDINGS
    assert DEVICES == catalog.DEVICES and ANGLE_UNITS == catalog.ANGLE_UNITS
    assert ("none", *RINGS) == catalog.RINGS
    assert ZINGERS == catalog.ZINGERS
    assert tuple(PHANTOMS) == catalog.PHANTOMS
    assert catalog.CURVES == CURVES
    assert {*catalog.BOUNDARIES} == {*BOUNDARIES} and {*catalog.LENGTH_UNITS} == {*LENGTHS}
    assert {*catalog.IMAGE_LIKELIHOODS} <= {*LIKELIHOODS}
    commands = next(a for a in parser()._actions if a.dest == "command")
    assert {*commands.choices} == {*catalog.COMMANDS}
    for name, function in (("wiener", wiener), ("tikhonov", tikhonov_filter)):
        assert {*ImageJob.DIRECT[name]} <= {*inspect.signature(function).parameters}


def test_the_tables_of_the_pages_are_those_of_the_catalog_and_of_jobs():
    path = Path(__file__).parent.parent / "docs/write_methods.py"
    spec = spec_from_file_location("write_methods", path)
    script = module_from_spec(spec)
    spec.loader.exec_module(script)
    methods, jobs, records = (path.read_text(encoding="utf-8") for path in script.PAGES)
    assert methods.count("| `pr.") > len(SOLVERS) and script.page(methods) == methods
    assert jobs.count("\n| `center` |") == 1 and script.page(jobs) == jobs
    assert records.count("<!-- json ") > 8 and script.page(records) == records
