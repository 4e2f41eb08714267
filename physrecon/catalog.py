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
GEOMETRIES = {
    "parallel": "geometry.parallel_beam:ParallelBeam",
    "tilted": "geometry.tilted_beam:TiltedBeam",
    "fan": "geometry.fan_beam:FanBeam",
    "cone": "geometry.cone_beam:ConeBeam",
    "helical": "geometry.helical_cone:HelicalCone",
    "vector": "geometry.vector_beam:VectorBeam",
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
    "find-center": "find the rotation axis, by methods that check each other",
    "align": "find shifts of every view, axis and tilts with the volume, write a job",
    "check-geometry": "tell from the data what is wrong with the stated geometry",
    "try": "draw one slice under several values of one or two settings, side by side",
    "simulate": "write a scan of a phantom as raw counts",
    "convert": "write a scan of any format that is read as one HDF5 file",
    "pack": "make one plain file of a volume that is kept in slabs",
    "view": "draw a slice of a volume or an image as PNG, with scale bar",
    "report": "write a result as one page: slices, values, check of the model, job",
    "help": "explain a command",
}  # of the command line, with their descriptions
DIRECT = ("fbp", "fdk")  # of parallel beams, and of beams from a source
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
BEAMS = ("parallel", "tilted", "fan", "cone", "helical")  # of `io.scans.setup`
DETECTORS = ("flat", "curved")
ROTATIONS = ("auto", "counterclockwise", "clockwise")
OVERWRITE = "replace a finished output"  # of --overwrite, for every command
RINGS = ("none", "sort")
ZINGERS = ("auto", "none")  # of `preprocess.zingers`
PHANTOMS = ("shepp-logan", "ellipsoids", "foam")
BOUNDARIES = ("unknown", "zero", "reflect", "periodic")
CURVES = ("srgb",)  # of grey values that are not proportional to light
LENGTH_UNITS = ("m", "cm", "mm", "um", "nm", "pm", "angstrom", "inch")
ANGLE_UNITS = ("deg", "rad")
VOLUME_FORMATS = ("hdf5", "tiff", "mrc")
STORED_TYPES = ("float32", "float16", "uint16", "uint8")  # of the voxels of a volume
MASKS = ("none", "circle")  # of a volume
DEVICES = ("cpu", "cuda")
DEMOS = ("tomography", "deconvolution")
# Second names in Python of what the command line and the field abbreviate
ALIASES = {
    "CGLS": "ConjugateGradient",
    "GD": "GradientDescent",
    "RL": "RichardsonLucy",
    "TV": "TotalVariation",
}
# What the field calls things that have another name here, or whose task another method does
FIELD_NAMES = {
    "cg": "ConjugateGradient", "cgne": "ConjugateGradient", "lsmr": "LSQR", "bfgs": "LBFGS",
    "art": "Kaczmarz", "ossart": "SART", "ossirt": "SART", "ossqs": "SAGA", "svrg": "SAGA",
    "sgd": "SAGA", "em": "MLEM", "mart": "MLEM", "ista": "FISTA", "pgd": "FISTA",
    "asdpocs": "PDHG", "pocs": "PDHG", "chambollepock": "PDHG", "cp": "PDHG",
    "levenbergmarquardt": "GaussNewton", "lm": "GaussNewton", "fdk": "fdk", "radon": "Projector",
    "l2": "Tikhonov", "kl": "PoissonLikelihood", "kullbackleibler": "PoissonLikelihood",
    "convolution": "Blur", "gridrec": "fbp", "backprojection": "fbp", "iradon": "fbp",
}  # fmt: skip

# What other programs call an option, and the option here.  A word of two is option and value.
OPTIONS_ELSEWHERE = {
    "alg": "--method", "algorithm": "--method", "alpha": "--weight", "axis": "--center",
    "background-level": "--background", "beta": "--weight", "centre": "--center",
    "center-of-rotation": "--center", "cor": "--center", "dark-fields": "--darks",
    "flat-fields": "--flats", "gpu": "--device cuda", "cuda": "--device cuda",
    "kernel": "--psf", "lambda": "--weight", "max-iter": "--iterations",
    "n-iter": "--iterations", "ncore": "--threads", "ncores": "--threads", "niter": "--iterations",
    "nprocs": "--threads", "nthreads": "--threads", "num-iter": "--iterations",
    "num-threads": "--threads", "nonneg": "--nonnegative", "nsino": "--slices",
    "out": "--output", "outdir": "--output", "output-dir": "--output",
    "positivity": "--nonnegative",
    "reg": "--prior", "regularisation": "--prior", "regularization": "--prior",
    "remove-stripe": "--rings", "ring-removal": "--rings", "ringremoval": "--rings",
    "rotation-axis": "--center", "sinogram": "--slices", "stripe-removal": "--rings",
    "size": "--shape", "theta": "--angles",
    "tv": "--prior tv", "solver": "--method", "logfile": "--log",
    "silent": "--quiet",
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


def call_of(word: str) -> str:
    """`; did you mean pr.X()?` for the name of a solver in any vocabulary, or an empty string."""
    classes = [place.partition(":")[2] for place in SOLVERS.values()]
    found = nearest_class(word, classes).removeprefix("; did you mean ").removesuffix("?")
    return f"; did you mean pr.{found}()?" if found in classes else ""


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


def expected_option(word: str, names: Iterable[str]) -> str:
    """The message about an unknown option: the nearest one, else all.

    Options of other programs are known, and so is a prior given as an option."""
    names = tuple(names)
    plain = word.lstrip("-").lower().replace("_", "-")
    elsewhere = OPTIONS_ELSEWHERE.get(plain, f"--prior {plain}" if plain in PRIORS else "")
    elsewhere = elsewhere or (f"--method {plain}" if plain in METHODS else "")
    if elsewhere.partition(" ")[0] in names:
        return f"expected a known option, got {word!r}; did you mean {elsewhere}?"
    if near := nearest(word, names):
        return f"expected a known option, got {word!r}{near}"
    return expected(word, names)


def meant(key: str, value: object) -> tuple[str, str] | None:
    """The field and the word that a wrong value of a field stands for, as far as it is known.

    key: the field that was given the value: a method may be a prior, or have another name here."""
    tables = {"method": METHODS, "prior": PRIORS, "likelihood": LIKELIHOODS, "filter": FILTERS}
    word = _plain(str(value))
    for name, table in tables.items():
        for known in table:
            place = table[known] if isinstance(table, dict) else SOLVERS.get(known, "")
            one_class = _plain(place.partition(":")[2])
            found = _plain(known) == word and (name != key or known != value)
            if found or (one_class and one_class in (word, _plain(FIELD_NAMES.get(word, "")))):
                return name, known
    other = FIELD_NAMES.get(word)
    return ("method", other) if other in METHODS else None


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "").replace(" ", "")


def nearest(value: object, names: Iterable[str]) -> str:
    """`; did you mean x?`, or an empty string without a close match.

    A name that begins with the value comes first, the shortest of several."""
    from difflib import get_close_matches

    plain = {name.lower(): name for name in names}
    word = str(value).lower()
    begun = [name for name in plain if name.startswith(word)] if word.strip("-") else []
    near = sorted(begun, key=len) or get_close_matches(word, list(plain), n=1)
    return f"; did you mean {plain[near[0]]}?" if near else ""
