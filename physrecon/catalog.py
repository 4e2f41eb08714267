"""The names that jobs and the command line accept, and the objects they stand for.

A table maps each name to "module:object" within physrecon.  An object is imported on look-up only,
so that help and usage errors appear at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

SOLVERS = {
    "adam": "solvers.adam:Adam",
    "admm": "solvers.admm:ADMM",
    "cgls": "solvers.conjugate_gradient:ConjugateGradient",
    "fista": "solvers.fista:FISTA",
    "gauss-newton": "solvers.gauss_newton:GaussNewton",
    "gd": "solvers.gradient_descent:GradientDescent",
    "kaczmarz": "solvers.kaczmarz:Kaczmarz",
    "landweber": "solvers.landweber:Landweber",
    "lbfgs": "solvers.lbfgs:LBFGS",
    "lsqr": "solvers.lsqr:LSQR",
    "mlem": "solvers.mlem:MLEM",
    "osem": "solvers.osem:OSEM",
    "pdhg": "solvers.pdhg:PDHG",
    "rl": "solvers.richardson_lucy:RichardsonLucy",
    "rmsprop": "solvers.adam:RMSprop",
    "saga": "solvers.saga:SAGA",
    "sart": "solvers.sart:SART",
    "sirt": "solvers.sirt:SIRT",
}
BLIND_SOLVERS = {"rl": "solvers.blind_richardson_lucy:BlindRichardsonLucy"}
LIKELIHOODS = {
    "least-squares": "likelihoods.least_squares:LeastSquares",
    "weighted": "likelihoods.least_squares:WeightedByCounts",
    "transmission": "likelihoods.transmission:TransmissionLikelihood",
    "poisson": "likelihoods.poisson:PoissonLikelihood",
    "huber": "likelihoods.robust:Huber",
    "student-t": "likelihoods.robust:StudentT",
}
# The solvers that can minimise a likelihood, where not all can.
SOLVERS_FOR = {
    "transmission": ("adam", "fista", "gauss-newton", "gd", "lbfgs", "pdhg", "rmsprop", "saga"),
    "poisson": ("adam", "admm", "lbfgs", "mlem", "osem", "pdhg", "rl", "rmsprop"),
    "huber": ("adam", "admm", "fista", "gauss-newton", "gd", "lbfgs", "pdhg", "rmsprop", "saga"),
    "student-t": ("adam", "fista", "gauss-newton", "gd", "lbfgs", "pdhg", "rmsprop", "saga"),
}
PRIORS = {
    "tikhonov": "priors.tikhonov:Tikhonov",
    "smooth": "priors.tikhonov:Smooth",
    "l1": "priors.sparsity:L1",
    "wavelet": "priors.sparsity:WaveletL1",
    "tv": "priors.total_variation:TotalVariation",
    "huber-tv": "priors.total_variation:HuberTV",
    "tgv": "priors.tgv:TGV",
}
PSF_MODELS = {
    "gaussian": "psf.shapes:gaussian",
    "airy": "psf.microscope:airy",
    "born-wolf": "psf.microscope:born_wolf",
    "gibson-lanni": "psf.microscope:gibson_lanni",
    "defocus": "psf.shapes:defocus",
    "motion": "psf.shapes:motion",
    "moffat": "psf.shapes:moffat",
}

COMMANDS = {
    "demo": "simulate, reconstruct in several ways, compare with the truth",
    "recon": "reconstruct a scan into a volume",
    "deconvolve": "take the blur off an image, a stack, or a series of them",
    "plan": "explain memory, disk and pieces of a job, without computing",
    "run": "carry out a job file; running it again goes on where it stopped",
    "info": "say what a file is, or what is wrong with it",
    "find-center": "find the rotation axis, in up to three ways that check each other",
    "simulate": "write a scan of a phantom as raw counts",
    "view": "draw a slice of a volume or an image as PNG, with scale bar",
}  # of the command line, with their descriptions
DIRECT = ("fbp",)
METHODS = (*DIRECT, *SOLVERS)
IMAGE_DIRECT = ("wiener", "tikhonov")
# Those that take views one by one, and one that equals `cgls` on a linear blur:
NOT_FOR_IMAGES = ("gauss-newton", "kaczmarz", "osem", "saga", "sart")
IMAGE_METHODS = (*IMAGE_DIRECT, *(word for word in SOLVERS if word not in NOT_FOR_IMAGES))
IMAGE_LIKELIHOODS = ("poisson", "least-squares")
WEIGHT_RULES = ("held-out", "gcv", "discrepancy")
# Copies from rooms that must not import this file; tests/test_catalog.py compares them.
FILTERS = ("ram-lak", "shepp-logan", "cosine", "hamming", "hann")
PADDINGS = ("zero", "edge")
RINGS = ("none", "sort")
ZINGERS = ("auto", "none")  # of `preprocess.zingers`
PHANTOMS = ("shepp-logan", "ellipsoids", "foam")
BOUNDARIES = ("unknown", "zero", "reflect", "periodic")
CURVES = ("srgb",)  # of grey values that are not proportional to light
LENGTH_UNITS = ("m", "cm", "mm", "um", "nm", "pm", "angstrom", "inch")
ANGLE_UNITS = ("deg", "rad")
DEVICES = ("cpu", "cuda")
DEMOS = ("tomography", "deconvolution")
# What the field calls things that have another name here, or whose task another method does
FIELD_NAMES = {
    "cg": "ConjugateGradient", "cgne": "ConjugateGradient", "lsmr": "LSQR", "bfgs": "LBFGS",
    "art": "Kaczmarz", "ossart": "SART", "ossirt": "SART", "ossqs": "SAGA", "svrg": "SAGA",
    "sgd": "SAGA", "em": "MLEM", "mart": "MLEM", "ista": "FISTA", "pgd": "FISTA",
    "asdpocs": "PDHG", "pocs": "PDHG", "chambollepock": "PDHG", "cp": "PDHG",
    "levenbergmarquardt": "GaussNewton", "lm": "GaussNewton", "fdk": "fbp", "radon": "Projector",
    "l2": "Tikhonov", "kl": "PoissonLikelihood", "kullbackleibler": "PoissonLikelihood",
    "convolution": "Blur",
}  # fmt: skip


def find(table: dict[str, str], word: str) -> Any:
    """The object for a word of a table.  Raises ArgumentError for an unknown word."""
    from importlib import import_module

    from physrecon.errors import ArgumentError

    if word not in table:
        raise ArgumentError(expected(word, table))
    module, _, name = table[word].partition(":")
    return getattr(import_module(f"physrecon.{module}"), name)


def find_all(table: dict[str, str]) -> dict[str, Any]:
    """Word → object, for all words of a table."""
    return {word: find(table, word) for word in table}


def nearest_class(name: str, public: Iterable[str]) -> str:
    """`; did you mean X?` for a name that is not public, or an empty string.

    It knows the names of jobs (CGLS, TV) and those that the field uses (ART, EM)."""
    places = {**SOLVERS, **LIKELIHOODS, **PRIORS}
    words = {word: place.partition(":")[2] for word, place in places.items()} | FIELD_NAMES
    plain = {word.replace("-", ""): found for word, found in words.items()}
    meant = plain.get(name.lower().replace("_", ""))
    return f"; did you mean {meant}?" if meant else nearest(name, public)


def expected(value: object, names: Iterable[str]) -> str:
    """The valid names and the nearest one, for the message about a wrong name."""
    return f"expected one of {', '.join(names)}, got {str(value)!r}{nearest(value, names)}"


def nearest(value: object, names: Iterable[str]) -> str:
    """`; did you mean x?`, or an empty string without a close match."""
    from difflib import get_close_matches

    plain = {name.lower(): name for name in names}
    near = get_close_matches(str(value).lower(), list(plain), n=1)
    return f"; did you mean {plain[near[0]]}?" if near else ""
