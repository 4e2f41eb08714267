"""A job of deconvolution: everything that decides what an image becomes, as one frozen value.

It is read from argv or from TOML; the key `psf` tells it from the job of a scan:

input = "stack.tif"
psf = "psf.tif"                  # or a model: "gaussian:sigma=0.2"
output = "sharp.tif"
method = "rl"

[stop]
iterations = 30
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from physrecon.catalog import (
    BLIND_SOLVERS,
    BOUNDARIES,
    IMAGE_DIRECT,
    IMAGE_LIKELIHOODS,
    LENGTH_UNITS,
    PRIORS,
    PSF_MODELS,
    SOLVERS,
    expected,
    find,
    image_methods,
)
from physrecon.jobs.model import Job
from physrecon.jobs.settings import StopSettings, is_number
from physrecon.sizes import parse_slices

FILTER_SETTINGS = {"wiener": ("noise", "balance"), "tikhonov": ("weight", "operator")}
# Times as many iterations: a prior keeps noise from growing, and a rule will stop by itself
LONGER = 5


class ImageJob(Job):
    """One image, or all frames of a series or channels, to as many sharper ones.

    psf: a file, or a model with its parameters, such as "gaussian:sigma=2.5".  Of an HDF5 file with
    several datasets, input and psf name one: "FILE.h5::/path".
    background: what lies under the whole image and is no object; one number, or one for each
    frame.  psf_background: the same of the PSF, taken off.  psf_center: its index, "peak", or
    "mass", where its light balances, to fractions of a voxel; its middle where None.
    voxel_size, psf_voxel_size: along the axes of space, instead of what the files say.
    axes: letters for those of the input as stored, instead of what the file says.
    frames: of the first axis that is not of space.  planewise: a PSF of a plane for every plane of
    a stack.  blind: the PSF is where to start from, and is improved."""

    PATHS: ClassVar[tuple[str, ...]] = (*Job.PATHS, "psf")

    kind: ClassVar[str] = "deconvolve"

    method: str = "rl"
    likelihood: str = IMAGE_LIKELIHOODS[0]
    psf: str
    boundary: str = BOUNDARIES[0]
    background: float | tuple[float, ...] | Literal["auto"] = 0.0
    psf_background: float | Literal["auto"] = 0.0
    psf_center: tuple[int, ...] | Literal["peak", "mass"] | None = None
    normalize: bool = True
    oversize: bool = False
    accuracy: float | None = Field(default=None, gt=0, lt=1)
    blind: bool = False
    voxel_size: tuple[float, ...] | None = None
    psf_voxel_size: tuple[float, ...] | None = None
    length_unit: str | None = None
    axes: str | None = None
    frames: str | None = None
    planewise: bool = False

    @property
    def model(self) -> str | None:
        """The name of the model of the PSF, None for a file."""
        return psf_model(self.psf)

    def usual_stop(self, iterations: int) -> dict[str, Any]:
        """Counting methods fit noise in the end: unless told otherwise they stop before."""
        if self.prior is not None or self.stop != StopSettings():
            return {"iterations": LONGER * iterations}
        if find(self.solvers, self.method).counts_only and not self.blind:
            return {"iterations": iterations, "discrepancy": "auto"}
        return {"iterations": iterations}

    def _details(self) -> list[str]:
        background = [f"background {self.background}"] if self.background else []
        return ["blind"] * self.blind + background

    @property
    def solvers(self) -> dict[str, str]:
        return BLIND_SOLVERS if self.blind else SOLVERS

    @classmethod
    def in_folder(cls, values: dict[str, Any], folder: Path) -> dict[str, Any]:
        placed = super().in_folder(values, folder)
        psf = values.get("psf")
        if isinstance(psf, str):
            placed["psf"] = psf if psf_model(psf) else str(folder / psf)
        return placed

    def identity(self) -> ImageJob:
        plain = super().identity()
        psf = self.psf if self.model else str(Path(self.psf).resolve())
        return plain.model_copy(update={"psf": psf})

    @model_validator(mode="before")
    @classmethod
    def _what_follows(cls, values: Any) -> Any:
        """A prior may be given by its name alone; prior and method say what they go with."""
        if not isinstance(values, dict):
            return values
        values = dict(values)
        if isinstance(values.get("prior"), str):
            values["prior"] = {"name": values["prior"]}
        prior = values.get("prior")
        name = str(prior.get("name")) if isinstance(prior, dict) else ""
        if name in PRIORS and not {*find(PRIORS, name).kinds} & {*find(SOLVERS, "rl").takes_prior}:
            values.setdefault("method", find(PRIORS, name).solver)
        method = str(values.get("method", "rl"))
        solver = find(SOLVERS, method) if method in SOLVERS else None
        counts_only = solver is not None and solver.counts_only
        values.setdefault("likelihood", "poisson" if counts_only else "least-squares")
        counts = values["likelihood"] == "poisson"
        values.setdefault("nonnegative", counts and solver is not None and solver.takes_constraint)
        return values

    @field_validator("method", "likelihood", "boundary", "length_unit")
    @classmethod
    def _known_name(cls, value: str | None, info: Any) -> str | None:
        names = {
            "method": image_methods(),
            "likelihood": IMAGE_LIKELIHOODS,
            "boundary": BOUNDARIES,
            "length_unit": LENGTH_UNITS,
        }[info.field_name]
        if value is not None and value not in names:
            raise ValueError(expected(value, names))
        return value

    @field_validator("psf", mode="before")
    @classmethod
    def _psf(cls, value: Any) -> Any:
        if not value or not isinstance(value, str | Path):
            raise ValueError(f"expected a file or a model such as gaussian:sigma=2, got {value!r}")
        return str(value)

    @field_validator("background", "psf_background", mode="before")
    @classmethod
    def _level(cls, value: Any, info: Any) -> Any:
        levels = value if isinstance(value, list | tuple) else (value,)
        several = info.field_name == "background" and len(levels) > 0
        numbers = all(is_number(level) and level >= 0 for level in levels)
        if value == "auto" or (numbers and (several or levels == (value,))):
            return value
        raise ValueError(f"expected a grey value >= 0, or auto, got {value!r}")

    @field_validator("psf_center", mode="before")
    @classmethod
    def _center(cls, value: Any) -> Any:
        numbers = isinstance(value, list | tuple) and 1 <= len(value) <= 3
        if value in (None, "peak", "mass") or (numbers and all(_is_index(i) for i in value)):
            return value
        raise ValueError(f"expected an index such as 8,15,15, or peak, or mass, got {value!r}")

    @field_validator("voxel_size", "psf_voxel_size", mode="before")
    @classmethod
    def _pitch(cls, value: Any) -> Any:
        if is_number(value):
            value = (value,)
        numbers = isinstance(value, list | tuple) and 1 <= len(value) <= 3
        if value is None or (numbers and all(is_number(p) and p > 0 for p in value)):
            return value
        raise ValueError(f"expected one to three lengths > 0, got {value!r}")

    @field_validator("frames")
    @classmethod
    def _frames(cls, value: str | None) -> str | None:
        if value is not None:
            parse_slices(value)
        return value

    @model_validator(mode="after")
    def _method_knows_its_settings(self) -> ImageJob:
        if self.length_unit and not self.voxel_size:
            raise ValueError(
                f"length_unit: expected a voxel_size for {self.length_unit} to be the unit of, "
                "got none; give both"
            )
        if self.blind and (self.method not in BLIND_SOLVERS or self.planewise):
            got = "planewise" if self.planewise else self.method
            raise ValueError(f"blind: expected method rl on whole frames, got {got}; drop one")
        if self.method in IMAGE_DIRECT:
            self._refuse_what_iterates()
            return self
        if find(SOLVERS, self.method).counts_only and self.likelihood != "poisson":
            raise ValueError(
                f"likelihood: expected poisson, which is what {self.method} is for, got "
                f"{self.likelihood}; choose --method cgls|landweber|fista"
            )
        self.check_solver()
        return self

    def _refuse_what_iterates(self) -> None:
        given = {
            "prior": self.prior is not None,
            "nonnegative": self.nonnegative,
            "likelihood": self.likelihood == "poisson",
            **{key: value != StopSettings.model_fields[key].default for key, value in self.stop},
        }
        for name, is_given in given.items():
            if is_given:
                raise ValueError(
                    f"{name}: expected an iterative method for it, got {self.method}; choose "
                    f"--method {'|'.join(m for m in image_methods() if m in SOLVERS)}"
                )
        for name in self.solver:
            if name not in (known := FILTER_SETTINGS[self.method]):
                raise ValueError(f"solver: {expected(name, known)}")


def psf_model(psf: str) -> str | None:
    """The name of the model in `gaussian:sigma=2`, None where it is the name of a file."""
    name = psf.partition(":")[0]
    return name if name in PSF_MODELS else None


def _is_index(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
