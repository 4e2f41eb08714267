"""Point spread functions: models with physical parameters, and PSFs from measured beads.

Every model returns a float64 array of the requested shape, odd or even, centred on index n//2, of
sum 1; lengths are in one unit of the user's choice.  Like a camera, a model integrates light over
whole pixels; planes of microscope models are thin along z.  A parameter beyond the range in which
its formula holds raises ArgumentError before arrays are made."""

from physrecon.psf.background import background_level, without_background
from physrecon.psf.beads import MeasuredPSF, psf_from_beads
from physrecon.psf.centring import center_of_mass, centered
from physrecon.psf.microscope import airy, born_wolf, confocal, gibson_lanni
from physrecon.psf.shapes import defocus, gaussian, moffat, motion

__all__ = [
    "MeasuredPSF",
    "airy",
    "background_level",
    "born_wolf",
    "center_of_mass",
    "centered",
    "confocal",
    "defocus",
    "gaussian",
    "gibson_lanni",
    "moffat",
    "motion",
    "psf_from_beads",
    "without_background",
]
