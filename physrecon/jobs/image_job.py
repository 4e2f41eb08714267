"""A deconvolution job: all settings that determine the result, as one frozen value.

It is read from argv or from TOML:

input = "stack.tif"
psf = "psf.tif"                  # or a model: "gaussian:sigma=0.2"
output = "sharp.tif"
method = "rl"

[stop]
iterations = 30
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from physrecon.catalog import (
    BLIND_SOLVERS,
    BOUNDARIES,
    CURVES,
    IMAGE_LIKELIHOODS,
    IMAGE_METHODS,
    LENGTH_UNITS,
    PSF_MODELS,
    SOLVERS,
    find,
)
from physrecon.jobs.model import Job
from physrecon.jobs.options import option
from physrecon.jobs.settings import PRIOR_ITERATION_FACTOR, StopSettings
from physrecon.jobs.types import PSF, Fraction, Lengths, Level, Levels, PSFCenter, Rows, one_of


class ImageJob(Job):
    """Deconvolve one image, or every frame of a series or of channels.

    input and psf can name a dataset of an HDF5 file: "FILE.h5::/path"."""

    NAMED: ClassVar[str] = "{}_deconvolved.tif"
    DIRECT: ClassVar[dict[str, tuple[str, ...]]] = {
        "wiener": ("noise", "balance"), "tikhonov": ("weight", "operator"),
    }  # fmt: skip
    WITH_PRIOR: ClassVar[str] = "least-squares"

    kind: Literal["deconvolve"] = option("deconvolve", "an image into a sharp one", flag="")
    input: Path = option(
        ..., "TIFF, FITS, HDF5 (FILE.h5::/path), PNG, JPEG, MRC, .npy or a folder", flag="IMAGE"
    )
    output: Path = option(
        ...,
        "the result, TIFF or HDF5 by its name (by default IMAGE_deconvolved.tif); FOLDER/ names it",
        flag="-o/--output",
        metavar="OUT",
    )
    method: Annotated[str, one_of(IMAGE_METHODS)] = option(
        "rl",
        "direct or iterative; unless given, with a prior that rl cannot take one that can",
    )
    likelihood: Annotated[str, one_of(IMAGE_LIKELIHOODS)] = option(
        IMAGE_LIKELIHOODS[0],
        "what the noise is; unless given, least-squares with other methods than rl and mlem",
    )
    psf: PSF = option(
        ...,
        f"the blur of a point: a file, or a model ({', '.join(PSF_MODELS)}) with its parameters in "
        "the unit of the voxels, such as gaussian:sigma=0.2; `--psf list` shows models, parameters "
        "and units",
        metavar="PSF",
    )
    boundary: Annotated[str, one_of(BOUNDARIES)] = option(
        BOUNDARIES[0], "what lies beyond the frame; unknown is found along with the rest"
    )
    background: Levels = option(
        0.0,
        "grey value that lies under the whole image and is no object, or auto; one for each frame "
        "as b,b,…",
        metavar="B",
    )
    psf_background: Level = option(
        0.0, "grey value taken off a measured PSF, or auto", metavar="LEVEL"
    )
    psf_center: PSFCenter | None = option(
        None,
        "index of the centre of the PSF, or peak, or mass, where its light balances, to fractions "
        "of a voxel, or corner, for a file in FFT order (default: n // 2 of every axis)",
        metavar="z,y,x",
    )
    normalize: bool = option(True, "divide the PSF by its sum")
    oversize: bool = option(False, "take all of a PSF that reaches further than the image is long")
    accuracy: Fraction | None = option(
        None,
        "how far the PSF may be replaced by few separable ones, for speed (default: rounding)",
        metavar="A",
    )
    blind: bool = option(False, "improve the PSF along with the image (rl)")
    voxel_size: Lengths | None = option(
        None, "size of the voxels along the axes of space, instead of what the file says",
        metavar="z,y,x",
    )  # fmt: skip
    psf_voxel_size: Lengths | None = option(
        None, "size of the voxels of the PSF, instead of what the file says", metavar="z,y,x"
    )
    length_unit: Annotated[str | None, one_of(LENGTH_UNITS)] = option(
        None, "unit of the voxel size", metavar="UNIT"
    )
    axes: str | None = option(
        None, "letters of the axes as stored, instead of what the file says", metavar="ZYX"
    )
    linearise: Annotated[str | None, one_of(CURVES)] = option(
        None, "make the grey values of a photo proportional to light", metavar="CURVE"
    )
    frames: Rows | None = option(
        None, "times or channels, b not included (default: all)", metavar="a:b"
    )
    planewise: bool = option(False, "a PSF of a plane for each plane of a stack")

    @property
    def model(self) -> str | None:
        """The name of the PSF's model; None for a file."""
        return psf_model(self.psf)

    @property
    def model_parts(self) -> str:
        return "PSF, background, edges"

    @property
    def solvers(self) -> dict[str, str]:
        return BLIND_SOLVERS if self.blind else SOLVERS

    def usual_stop(self, iterations: int) -> dict[str, Any]:
        """Count methods fit noise in the end, so by default they stop at the noise level."""
        if self.prior is not None:
            return super().usual_stop(iterations)
        if self.stop != StopSettings():
            return {"iterations": PRIOR_ITERATION_FACTOR * iterations}
        if find(self.solvers, self.method).counts_only and not self.blind:
            return {"iterations": iterations, "discrepancy": "auto"}
        return {"iterations": iterations}

    def _details(self) -> list[str]:
        background = [f"background {self.background}"] if self.background else []
        return ["blind"] * self.blind + background

    @classmethod
    def in_folder(cls, values: dict[str, Any], folder: Path) -> dict[str, Any]:
        placed = super().in_folder(values, folder)
        psf = values.get("psf")
        if isinstance(psf, str):
            placed["psf"] = psf if psf_model(psf) else str(folder / psf)
        return placed

    def fingerprinted(self) -> ImageJob:
        plain = super().fingerprinted()
        psf = self.psf if self.model else str(Path(self.psf).resolve())
        return plain.model_copy(update={"psf": psf})

    def _check_kind(self) -> None:
        if self.length_unit and not self.voxel_size:
            raise ValueError(
                f"length_unit: expected a voxel_size for {self.length_unit} to be the unit of, "
                "got none; give both"
            )
        if self.psf_center == "corner" and self.model:
            raise ValueError(
                f"psf_center: expected a file for corner, got the model {self.model}, whose centre "
                "is its middle; drop it"
            )
        if self.blind and (self.method not in BLIND_SOLVERS or self.planewise):
            got = "planewise" if self.planewise else self.method
            raise ValueError(f"blind: expected method rl on whole frames, got {got}; drop one")
        counts_only = self.method in SOLVERS and find(SOLVERS, self.method).counts_only
        if counts_only and self.likelihood != "poisson":
            raise ValueError(
                f"likelihood: expected poisson, which is what {self.method} is for, got "
                f"{self.likelihood}; choose --method cgls|landweber|fista"
            )


def psf_model(psf: str) -> str | None:
    """The name of the model in `gaussian:sigma=2`; None for the name of a file."""
    name = psf.partition(":")[0]
    return name if name in PSF_MODELS else None
