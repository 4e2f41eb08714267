"""Why a model does not fit: the causes that a residual can tell, and the option that mends each."""

from __future__ import annotations

# cause → what it is, and what mends it
CAUSES = {
    "axis": "the rotation axis may be elsewhere; look at `find-center`, and give --center",
    "hardening": (
        "the beam hardens, or strays: long paths absorb too little; filter the beam, or linearise "
        "the line integrals before"
    ),
    "truncation": (
        "the object may be wider than the slice; give a larger --width, with fbp --padding edge too"
    ),
    "drift": (
        "the beam drifts from view to view; normalise it by columns of air, --air a:b, or leave "
        "views out with --exclude-views"
    ),
    "columns": (
        "single columns of the detector are off; remove rings with --rings, or leave pixels out "
        "with --data-mask"
    ),
    "psf-wide": "the PSF may be too wide; give a narrower one",
    "psf-narrow": "the PSF may be too narrow; give a wider one",
    "srgb": (
        "grey values may be sRGB, not proportional to light; linearise them, or use a raw image"
    ),
    "lines": (
        "single rows or columns of the sensor are off; mend them, by the mean of their neighbours "
        "say"
    ),
}
UNKNOWN = "no known cause has this pattern; look at --residuals"


def advice(cause: str | None) -> str:
    """A cause in words, with what mends it; None for an unknown one."""
    return UNKNOWN if cause is None else CAUSES[cause]
