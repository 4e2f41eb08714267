"""The tables of a job: [stop] and [prior]."""

from __future__ import annotations

from dataclasses import MISSING
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    create_model,
    field_validator,
    model_serializer,
    model_validator,
)

from physrecon.catalog import PRIORS, WEIGHT_RULES, expected, find, nearest
from physrecon.errors import ArgumentError


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

    name: of `catalog.PRIORS`.  weight: "auto" is chosen from the data by `rule`, before the work
    begins.  Further keys are settings of the prior of that name."""

    model_config = ConfigDict(extra="allow")

    name: str
    weight: float | Literal["auto"] = "auto"
    rule: str = WEIGHT_RULES[0]

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that are given."""
        return {k: v for k, v in (self.model_extra or {}).items() if v is not None}

    @field_validator("name", "rule")
    @classmethod
    def _known_name(cls, value: str, info: Any) -> str:
        names = PRIORS if info.field_name == "name" else WEIGHT_RULES
        if value not in names:
            raise ValueError(expected(value, names))
        return value

    @field_validator("weight", mode="before")
    @classmethod
    def _weight(cls, value: Any) -> Any:
        if value == "auto" or (is_number(value) and value > 0):
            return value
        raise ValueError(f"expected a number > 0, or auto, got {value!r}")

    @model_validator(mode="after")
    def _check_settings(self) -> Self:
        """Refuse settings that the prior does not have, lacks, or does not accept."""
        prior = find(PRIORS, self.name)
        known = prior.settings()
        for name in self.settings:
            if name not in known:
                advice = nearest(name, (*type(self).model_fields, *known)) or "; drop it"
                raise ValueError(
                    f"prior: expected settings of {self.name}, which are "
                    f"{', '.join(sorted(known)) or 'none'}, got {name}{advice}"
                )
        for name, field in known.items():
            if field.default is MISSING and name not in self.settings:
                raise ValueError(
                    f"prior: expected a {name} for {self.name}, got none; give it with "
                    f"--set prior.{name}=… or in [prior]"
                )
        types: dict[str, Any] = {name: (field.type, None) for name, field in known.items()}
        typed = create_model("Settings", __base__=Table, **types).model_validate(self.settings)
        values = typed.model_dump(exclude_unset=True)
        (self.model_extra or {}).update(values)
        try:
            prior(1.0, **values)
        except ArgumentError as problem:
            raise ValueError(str(problem).replace(f"{prior.__name__}.", "prior.", 1)) from None
        return self


class PriorSettings(PriorTable):
    """A prior of volumes.  slicewise: false lets it couple the slices, which takes all rows in one
    slab.  An automatic weight is chosen on a few rows."""

    slicewise: bool = True

    @model_serializer(mode="wrap")
    def _slicewise_last(self, dump: Any) -> dict[str, Any]:
        values = dump(self)
        return {
            **{k: v for k, v in values.items() if k != "slicewise"},
            "slicewise": self.slicewise,
        }
