"""The words of the command line and of job files, where reading them costs nothing.

A usage error must answer at once, so these are not asked from the modules that load arrays and
compilers; a test compares them with what those modules offer."""

from __future__ import annotations

COMMANDS = ("demo", "recon", "deconvolve", "plan", "run", "info", "find-center", "simulate", "view")
DIRECT = ("fbp",)
# solver → its iterations, unless told
ITERATIONS = {
    "adam": 200,
    "admm": 50,
    "cgls": 20,
    "fista": 200,
    "gauss-newton": 5,
    "gd": 100,
    "kaczmarz": 5,
    "landweber": 200,
    "lbfgs": 30,
    "lsqr": 20,
    "mlem": 50,
    "osem": 10,
    "pdhg": 300,
    "rl": 20,
    "rmsprop": 200,
    "saga": 20,
    "sart": 5,
    "sirt": 100,
}
ITERATIVE = tuple(ITERATIONS)
METHODS = (*DIRECT, *ITERATIVE)
LIKELIHOODS = ("least-squares", "weighted", "transmission", "poisson", "huber", "student-t")
COUNT_LIKELIHOODS = ("transmission", "poisson")  # with these nothing is negative unless it is said
UNCONSTRAINED = ("cgls", "lsqr")  # methods that cannot keep anything from being negative
COUNT_METHODS = ("mlem", "osem", "rl")  # whose likelihood is that of counts unless another is named
# prior → the method that suits it, unless one is named
PRIORS = {
    "tikhonov": "fista",
    "smooth": "fista",
    "l1": "fista",
    "wavelet": "pdhg",
    "tv": "fista",
    "huber-tv": "fista",
    "tgv": "fista",
}
WEIGHT_RULES = ("gcv", "risk", "discrepancy", "l-curve")
FILTERS = ("ram-lak", "shepp-logan", "cosine", "hamming", "hann")
PADDINGS = ("zero", "edge")
RINGS = ("none", "sort")
PHANTOMS = ("shepp-logan", "ellipsoids", "foam")
# Images: what needs views that can be taken out one by one is of no use to a blur
IMAGE_DIRECT = ("wiener", "tikhonov")
IMAGE_ITERATIVE = tuple(
    m for m in ITERATIVE if m not in ("kaczmarz", "sart", "osem", "saga", "gauss-newton")
)
IMAGE_METHODS = (*IMAGE_DIRECT, *IMAGE_ITERATIVE)
IMAGE_LIKELIHOODS = ("poisson", "least-squares")
BOUNDARIES = ("unknown", "zero", "reflect", "periodic")
PSF_MODELS = ("gaussian", "airy", "born-wolf", "gibson-lanni", "defocus", "motion", "moffat")
LENGTH_UNITS = ("m", "cm", "mm", "um", "nm", "pm", "angstrom", "inch")
DEMOS = ("tomography", "deconvolution")
DEVICES = ("cpu", "cuda")
ANGLE_UNITS = ("deg", "rad")
STOP_SETTINGS = ("iterations", "rtol", "discrepancy")


def expected(value: object, names: tuple[str, ...]) -> str:
    """What a sentence about a wrong name says: the names there are, and the nearest."""
    return f"expected one of {', '.join(names)}, got {str(value)!r}{nearest(value, names)}"


def nearest(value: object, names: tuple[str, ...]) -> str:
    """`; did you mean x?`, or nothing where no name is near."""
    from difflib import get_close_matches

    near = get_close_matches(str(value), names, n=1)
    return f"; did you mean {near[0]}?" if near else ""
