"""Arrays of other libraries: taken as plain numbers only where nothing they say would be lost."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.errors import ArgumentError, brief

WITH_WEIGHTS = {  # what to do besides, where the call takes weights
    "a mask": ", and give the masked data the weight 0",
    "an uncertainty": ", and weights = 1 / variance",
}
UNITLESS = ("", "1", "dimensionless", "pixel", "pix")  # units that plain numbers have


def plain(where: str, values: Any, weights: bool = False) -> Any:
    """The values as a NumPy array, or unchanged if they are on a device.

    weights: whether the call takes weights of the values.
    Raises ArgumentError as `check_plain`, and for values that are no array."""
    check_plain(where, values, weights)
    if type(values) is np.ndarray or hasattr(values, "__cuda_array_interface__"):
        return values
    try:
        return np.asarray(values)
    except Exception as error:  # conversion is the code of another library
        raise ArgumentError(
            f"{where}: expected an array of numbers, got {type(values).__name__} ({error}); "
            "convert it with numpy.asarray"
        ) from error


def floats(where: str, values: Any) -> NDArray[np.float64]:
    """The values as float64 in new memory.  Raises ArgumentError as `plain`, and for no numbers."""
    values = plain(where, values)
    try:
        return np.array(values, np.float64)
    except (TypeError, ValueError):
        raise ArgumentError(f"{where}: expected numbers, got {brief(values)}") from None


def check_plain(where: str, values: Any, weights: bool = False) -> None:
    """Raise ArgumentError for what an array of another library knows and plain numbers do not.

    That is a mask (numpy.ma, astropy), a unit (astropy, pint, xarray), an uncertainty (astropy) or
    coordinates (xarray).  weights: whether the call takes weights of the values."""
    lost, remedy = ("", "") if type(values) is np.ndarray else _lost(values)
    if lost:
        remedy += WITH_WEIGHTS.get(lost, "") if weights else ""
        raise ArgumentError(
            f"{where}: expected a plain array, got {type(values).__name__} with {lost}; {remedy}"
        )


def _lost(values: Any) -> tuple[str, str]:
    """(what a plain array would lose, what to do instead); empty if nothing."""

    def stated(*names: str) -> Any:
        found = (getattr(values, name, None) for name in names)
        return next((each for each in found if each is not None and not callable(each)), None)

    mask = stated("mask")
    if mask is not None and np.any(mask):
        return "a mask", "fill it, by the mean of the neighbours say"
    unit = stated("unit", "units")
    if unit is not None and str(unit) not in UNITLESS:
        return f"the unit {unit}", "convert it to the unit of the other arguments and pass numbers"
    if stated("uncertainty") is not None:
        return "an uncertainty", "pass its data"
    coordinates = stated("coords")
    if coordinates is not None and len(coordinates):
        return "coordinates", "pass its values, and the voxel size as an argument"
    return "", ""
