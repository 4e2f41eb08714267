"""Point spread functions: models with physical parameters, and what measured beads tell.

Every model returns a float64 array of the shape asked for, odd or even, centred on index n//2, of
sum 1; lengths are in one unit of the user's choice.  An entry is the light that falls into a whole
pixel, for that is what a camera sees; planes along z are as thin as their focus."""

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
