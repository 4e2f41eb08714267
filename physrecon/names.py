"""The words of the command line and of job files, where reading them costs nothing.

A usage error must answer at once, so these are not asked from the modules that load arrays and
compilers; a test compares them with what those modules offer."""

from __future__ import annotations

DIRECT = ("fbp",)
ITERATIVE = ("cgls", "gd", "landweber", "lsqr", "sirt")
METHODS = (*DIRECT, *ITERATIVE)
FILTERS = ("ram-lak", "shepp-logan", "cosine", "hamming", "hann")
PADDINGS = ("zero", "edge")
RINGS = ("none", "sort")
PHANTOMS = ("shepp-logan", "ellipsoids", "foam")
DEVICES = ("cpu", "cuda")
ANGLE_UNITS = ("deg", "rad")
ITERATIONS = {"cgls": 20, "gd": 100, "landweber": 200, "lsqr": 20, "sirt": 100}
STOP_SETTINGS = ("iterations", "rtol", "discrepancy")


def expected(value: object, names: tuple[str, ...]) -> str:
    """What a sentence about a wrong name says: the names there are, and the nearest."""
    return f"expected one of {', '.join(names)}, got {str(value)!r}{nearest(value, names)}"


def nearest(value: object, names: tuple[str, ...]) -> str:
    """`; did you mean x?`, or nothing where no name is near."""
    from difflib import get_close_matches

    near = get_close_matches(str(value), names, n=1)
    return f"; did you mean {near[0]}?" if near else ""
