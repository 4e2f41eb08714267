"""The tables of a job: [stop], [prior] and [geometry]."""

from __future__ import annotations

from dataclasses import MISSING
from typing import Annotated, Any, Self

from pydantic import ConfigDict, ValidationError, create_model, model_serializer, model_validator

from physrecon.catalog import (
    BEAMS,
    DETECTORS,
    PRIORS,
    ROTATIONS,
    WEIGHT_RULES,
    find,
    nearest,
)
from physrecon.errors import ArgumentError
from physrecon.jobs.checks import auto_factor
from physrecon.jobs.complaints import complaint
from physrecon.jobs.options import Table, option
from physrecon.jobs.types import (
    Angle,
    Iterations,
    Length,
    PriorWeight,
    Shifts,
    Tolerance,
    Vector,
    Weight,
    one_of,
)

# `gain` at which a solution with a prior has converged.  Measured by benchmarks/convergence.py: f +
# prior is then 1e-5 to 9e-4 above its least value, in tomography, deconvolution and denoising with
# total variation, TGV and wavelets by FISTA, PDHG and ADMM.
CONVERGED = 3e-3
# Most iterations then, in units of the usual ones of the method.
PRIOR_ITERATION_FACTOR = 5


class StopSettings(Table):
    """Stopping rules of an iterative method, for each slice; the first that holds wins.

    There is no limit in seconds: the volume would depend on the machine."""

    iterations: Iterations | None = option(
        None,
        "iterations at most (default: as suits the method); auto finds from the data where noise "
        "begins, without a prior",
        flag="--iterations", metavar="N",
    )  # fmt: skip
    rtol: Tolerance = option(0.0, "relative change of x in one iteration at which a slice stops")
    gain: Tolerance = option(
        0.0,
        "part of f + prior that the last half of the iterations must gain, or a slice stops "
        f"(default: {CONVERGED:g} with a prior, unless another rule is given)",
    )
    discrepancy: Weight | None = option(
        None,
        "‖Ax − y‖ of all rows of the scan that are chosen, of which n rows get 1/√n each; auto is "
        "the norm that the likelihood expects of each row",
    )


class PriorTable(Table):
    """The prior: its name, its weight, and further keys for its own settings."""

    model_config = ConfigDict(extra="allow")

    name: Annotated[str, one_of(PRIORS)] = option(
        ..., "what is known of the object", flag="--prior"
    )
    weight: PriorWeight = option(
        "auto", "how much the prior counts; auto finds it from the data, auto*2 doubles that",
        flag="--weight", metavar="W",
    )  # fmt: skip
    rule: Annotated[str, one_of(WEIGHT_RULES)] = option(
        WEIGHT_RULES[0], "how weight = auto is chosen"
    )

    @property
    def factor(self) -> float | None:
        """The factor on the weight that is found; None if the weight is given."""
        return auto_factor(self.weight)

    @property
    def settings(self) -> dict[str, Any]:
        """The prior's own settings that are given."""
        return {k: v for k, v in (self.model_extra or {}).items() if v is not None}

    @model_validator(mode="after")
    def _check_settings(self) -> Self:
        """Refuse settings of the prior that are unknown, missing or wrong."""
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
        model = create_model("Settings", __base__=Table, **types)
        try:
            values = model.model_validate(self.settings).model_dump(exclude_unset=True)
            (self.model_extra or {}).update(values)
            prior(1.0, **values)
        except ValidationError as problem:
            raise ValueError(complaint(model, "prior", problem)) from None
        except ArgumentError as problem:
            raise ValueError(str(problem).replace(f"{prior.__name__}.", "prior.", 1)) from None
        return self


class PriorSettings(PriorTable):
    """A prior of volumes.  An automatic weight is chosen on a few rows."""

    slicewise: bool = option(
        True, "false lets the prior couple the slices, which takes all rows in one slab"
    )

    @model_serializer(mode="wrap")
    def _slicewise_last(self, dump: Any) -> dict[str, Any]:
        values = dump(self)
        return {
            **{k: v for k, v in values.items() if k != "slicewise"},
            "slicewise": self.slicewise,
        }


class GeometrySettings(Table):
    """Source and detector, where the file states none or states them wrongly.

    Lengths have a unit, px for columns of the detector."""

    kind: Annotated[str | None, one_of(BEAMS)] = option(
        None, "shape of the beam, if the file does not state it; unless given, a cone (a fan for "
        "one row, a helix with a rise) with distances, else parallel",
        flag="--geometry", metavar="NAME",
    )  # fmt: skip
    source_origin: Length | None = option(
        None, "distance from the source to the axis of rotation such as 410mm",
        flag="--source-origin", metavar="LENGTH",
    )  # fmt: skip
    source_detector: Length | None = option(
        None, "distance from the source to the detector", flag="--source-detector",
        metavar="LENGTH",
    )  # fmt: skip
    detector: Annotated[str | None, one_of(DETECTORS)] = option(
        None, "shape of the detector of a fan or cone beam, flat unless given: curved is an arc "
        "about the source",
        flag="--detector", metavar="NAME",
    )  # fmt: skip
    rotation: Annotated[str, one_of(ROTATIONS)] = option(
        "auto", "sense in which source and detector turn, seen from the last row; auto compares "
        "both where the file states none",
        flag="--rotation", metavar="NAME",
    )  # fmt: skip
    rise: Length | None = option(
        None, "way of the source along the axis in a full turn, of a helix", flag="--rise",
        metavar="LENGTH",
    )  # fmt: skip
    row_offset: float | None = option(
        None, "rows from the height of the source to the middle of the detector"
    )
    tilt: Angle | None = option(
        None, "angle by which the axis leans towards the source of a parallel beam, such as 30deg",
        flag="--tilt", metavar="ANGLE",
    )  # fmt: skip
    roll: Angle | None = option(
        None, "angle of the detector about the beam, of a cone or tilted beam", flag="--roll",
        metavar="ANGLE",
    )  # fmt: skip
    pitch: Angle | None = option(None, "angle by which higher rows lean away from the source")
    yaw: Angle | None = option(None, "angle by which higher columns lean away from the source")
    source_offset: Vector | None = option(
        None, "way of the source alone along the axis, the beam and the columns: 0,0,1.5mm"
    )
    shifts: Shifts | None = option(
        None, "way of source and detector together, in that order, or a table (.txt, .npy) of one "
        "line a view, in columns of the detector"
    )  # fmt: skip
