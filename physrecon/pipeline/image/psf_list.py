"""`--psf list`: the models of a PSF, their parameters and units."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from physrecon.catalog import PSF_MODELS, find_all
from physrecon.pipeline.image.psf_model import DIMENSIONS

PLACES = {(2,): "an image", (3,): "a stack", (2, 3): "an image or a stack"}
PLAIN = {
    "na": "numerical aperture", "index": "refractive index", "immersion_index": "refractive index",
    "sample_index": "refractive index", "beta": "decay of the wings, > 1", "angle": "from +x to +y",
    "angle_unit": "deg or rad", "oversampling": "points within a pixel",
}  # fmt: skip


def psf_list() -> Iterator[str]:
    """Every model with what it is, and its parameters; those in brackets have a default."""
    yield "models of a PSF, as in --psf gaussian:sigma=2 or --psf defocus:radius=auto"
    yield "lengths are in the unit of the image's voxels, in pixels where it states none"
    for name, function in find_all(PSF_MODELS).items():
        summary = (inspect.getdoc(function) or "").split(".")[0]
        yield ""
        yield f"{name}  ({PLACES[DIMENSIONS.get(name, (2,))]}): {summary}"
        for parameter in inspect.signature(function).parameters.values():
            if parameter.name not in ("shape", "voxel_size", "pixel_size"):
                yield "    " + _line(parameter)
    yield ""
    yield "shape=9 or shape=9,33,33 sets the number of voxels of any of them"


def _line(parameter: inspect.Parameter) -> str:
    optional = parameter.default is not inspect.Parameter.empty
    value: Any = parameter.default
    unit = PLAIN.get(parameter.name, "length")
    if "tuple" in str(parameter.annotation):
        unit = "thickness and refractive index of the layer"
    usual = f" = {value}" if optional and value is not None else ""
    return f"[{parameter.name}{usual}]  {unit}" if optional else f"{parameter.name}  {unit}"
