"""Why a model does not fit: the causes that a residual can tell, and the option that mends each."""

from __future__ import annotations

# cause → what it is, {} for how much, and what mends it
CAUSES = {
    "axis": "the rotation axis may be elsewhere{}; look at `find-center`, and give --center",
    "hardening": (
        "the beam may harden: long paths absorb too little; filter the beam, or linearise the line "
        "integrals before"
    ),
    "scatter": (
        "light that did not pass the object may be in the data, or be missing{}, by scattering or "
        "wrong darks; take new darks, or subtract it before"
    ),
    "truncation": (
        "the object may be wider than the slice; give a larger --width, with fbp --padding edge too"
    ),
    "drift": (
        "the beam may drift from view to view{}; normalise it by columns of air, --air a:b, or "
        "leave views out with --exclude-views"
    ),
    "air": (
        "the beam may drift{} although columns of air normalise it, or their noise is in every "
        "view; give more of them, --air a:b, or leave views out with --exclude-views"
    ),
    "columns": (
        "single columns of the detector may be off{}; remove rings with --rings, or leave pixels "
        "out with --data-mask"
    ),
    "rings": (
        "single columns of the detector are off{} although --rings removes what stays; leave "
        "their pixels out with --data-mask, or choose another of --rings"
    ),
    "angles": (
        "the angles may be wrong{}; look at them with `info`, and give --angles FIRST..LAST/COUNT"
    ),
    "distances": (
        "the rays may come from a source at another distance{}; give --source-origin and "
        "--source-detector, with their units"
    ),
    "moved": (
        "the object may have moved during the scan; leave views out with --exclude-views, or scan "
        "again"
    ),
    "psf-wide": (
        "the PSF may be too wide{}; give a narrower one, or --psf defocus:radius=auto and the like"
    ),
    "psf-narrow": (
        "the PSF may be too narrow{}; give a wider one, or --psf defocus:radius=auto and the like"
    ),
    "psf-angle": (
        "the PSF may be turned{}; give another angle, or --psf motion:length=auto,angle=auto"
    ),
    "srgb": (
        "grey values may be sRGB, not proportional to light; give --linearise srgb, or use a raw "
        "image"
    ),
    "lines": (
        "single rows or columns of the sensor are off{}; mend them, by the mean of their "
        "neighbours say"
    ),
}
UNKNOWN = "no known cause has this pattern; look at --residuals"


def advice(cause: str | None, amount: str = "") -> str:
    """A cause in words, how much it is, and what mends it; None for an unknown one."""
    if cause is None:
        return UNKNOWN
    return CAUSES[cause].replace("{}", amount and f" ({amount})")
