"""The tables of a job: [stop] and [prior]."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from physrecon.catalog import PRIORS, WEIGHT_RULES, expected
from physrecon.errors import ArgumentError

PLANE = (1, 2)  # the axes of a slice


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


class Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class StopSettings(Table):
    """When an iterative method stops in a slice; the first rule that holds wins.

    iterations: None is what suits the method.  discrepancy: ‖Ax − y‖ of all rows of the scan that
    are chosen, of which n rows get 1/√n each; "auto" is what the likelihood expects of each row.
    A limit in seconds would make the volume depend on the machine, so there is none."""

    iterations: int | None = Field(default=None, ge=1)
    rtol: float = Field(default=0.0, ge=0)
    discrepancy: float | Literal["auto"] | None = None

    @field_validator("discrepancy")
    @classmethod
    def _positive(cls, value: Any) -> Any:
        if isinstance(value, float) and value <= 0:
            raise ValueError(f"expected a number > 0, or auto, got {value:g}")
        return value


class PriorTable(Table):
    """What is known of the object, and how much it counts.

    name: one of `names.PRIORS`.  weight: "auto" is chosen from the data by `rule`, before the work
    begins.  The others are the settings of the prior of that name; None is its own."""

    name: str
    weight: float | Literal["auto"] = "auto"
    rule: str = WEIGHT_RULES[0]
    isotropic: bool | None = None
    delta: float | None = Field(default=None, gt=0)
    ratio: float | None = Field(default=None, gt=0)
    wavelet: str | None = None
    levels: int | None = Field(default=None, ge=1)

    @field_validator("name", "rule")
    @classmethod
    def _known_name(cls, value: str, info: Any) -> str:
        names = tuple(PRIORS) if info.field_name == "name" else WEIGHT_RULES
        if value not in names:
            raise ValueError(expected(value, names))
        return value

    @field_validator("weight", mode="before")
    @classmethod
    def _weight(cls, value: Any) -> Any:
        if value == "auto" or (is_number(value) and value > 0):
            return value
        raise ValueError(f"expected a number > 0, or auto, got {value!r}")

    def make(
        self, pitch: tuple[float, ...] = (1.0, 1.0, 1.0), axes: tuple[int, ...] = (0, 1, 2)
    ) -> Any:
        """The prior, of weight 1 where the weight is still to be chosen.

        pitch: of the elements along every axis; lengths in the prior are counted in pitches along
        the last, so that the weight does not depend on the unit.  axes: those it couples.
        Raises ArgumentError."""
        from physrecon import priors
        from physrecon.operators.calculus import Gradient

        spacing = tuple(pitch[axis] / pitch[-1] for axis in axes)
        weight = 1.0 if self.weight == "auto" else float(self.weight)
        known_as: dict[str, tuple[Any, dict[str, Any]]] = {
            "tikhonov": (priors.Tikhonov, {}),
            "smooth": (priors.Tikhonov, {"K": lambda shape: Gradient(shape, spacing, axes)}),
            "l1": (priors.L1, {}),
            "wavelet": (priors.WaveletL1, {"axes": axes}),
            "tv": (priors.TotalVariation, {"axes": axes, "spacing": spacing}),
            "huber-tv": (priors.HuberTV, {"axes": axes, "spacing": spacing}),
            "tgv": (priors.TGV, {"axes": axes, "spacing": spacing}),
        }
        kind, fixed = known_as[self.name]
        named = ("isotropic", "delta", "ratio", "wavelet", "levels")
        given = {name: getattr(self, name) for name in named}
        given = {name: value for name, value in given.items() if value is not None}
        known = {field.name for field in fields(kind)}
        for name in given:
            if name not in known:
                able = ", ".join(sorted(known & set(named))) or "none"
                raise ArgumentError(
                    f"prior: expected settings of {self.name}, which are {able}, got {name}; "
                    "drop it"
                )
        for field in fields(kind):
            if field.name in named and field.default is MISSING and field.name not in given:
                raise ArgumentError(
                    f"prior: expected a {field.name} for {self.name}, got none; give it with "
                    f"--set prior.{field.name}=… or in [prior]"
                )
        try:
            return kind(weight, **fixed, **given)
        except TypeError:  # HuberTV has no delta that would suit every object
            raise ArgumentError(
                f"prior: expected all settings that {self.name} needs, got none for delta; "
                "set prior.delta"
            ) from None


class PriorSettings(PriorTable):
    """A prior of volumes.  slicewise: false lets it couple the slices, which takes all rows in one
    slab.  An automatic weight is chosen on a few rows."""

    slicewise: bool = True

    def make(
        self, pitch: tuple[float, ...] = (1.0, 1.0, 1.0), axes: tuple[int, ...] | None = None
    ) -> Any:
        return super().make(pitch, axes or (PLANE if self.slicewise else (0, *PLANE)))
