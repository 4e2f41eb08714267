"""A job: everything that decides what a reconstruction is, as one frozen value.

It is read from argv or from TOML:

input = "scan.h5"
output = "volume.h5"
method = "cgls"

[stop]
iterations = 30
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from physrecon.catalog import (
    DIRECT,
    FILTERS,
    LIKELIHOODS,
    METHODS,
    PADDINGS,
    PRIORS,
    RINGS,
    SOLVERS,
    expected,
    find,
)
from physrecon.jobs.model import Job
from physrecon.jobs.settings import PriorSettings, StopSettings, Table, is_number
from physrecon.sizes import parse_slices


class ScanJob(Job):
    """One scan to one volume."""

    PATHS: ClassVar[tuple[str, ...]] = (*Job.PATHS, "allow_root")
    EXECUTION: ClassVar[tuple[str, ...]] = (*Job.EXECUTION, "slab_rows", "allow_root")
    TABLES: ClassVar[dict[str, type[Table]]] = {**Job.TABLES, "prior": PriorSettings}

    kind: ClassVar[str] = "reconstruct"

    method: str = DIRECT[0]
    likelihood: str = "least-squares"
    outlier: float | Literal["auto"] = "auto"
    prior: PriorSettings | None = None
    filter: str = "ram-lak"
    padding: str = "zero"
    center: float | Literal["auto"] = "auto"
    slices: str | None = None
    rings: str = "none"
    angle_unit: Literal["deg", "rad"] | None = None
    line_integrals: bool = False
    allow_root: Path | None = None
    slab_rows: int | None = Field(default=None, ge=1)

    def _details(self) -> list[str]:
        return [self.filter] if self.method in DIRECT else []

    @model_validator(mode="before")
    @classmethod
    def _what_follows(cls, values: Any) -> Any:
        """A prior may be given by its name alone; a prior and counts say which method suits."""
        if not isinstance(values, dict):
            return values
        values = dict(values)
        if isinstance(values.get("prior"), str):
            values["prior"] = {"name": values["prior"]}
        prior = values.get("prior")
        known = isinstance(prior, dict) and str(prior.get("name")) in PRIORS
        if known:
            values.setdefault("method", find(PRIORS, prior["name"]).solver)
        if str(values.get("method")) not in SOLVERS:
            return values
        solver = find(SOLVERS, values["method"])
        if solver.counts_only:
            values.setdefault("likelihood", "poisson")
        elif known:
            values.setdefault("likelihood", "weighted")
        name = str(values.get("likelihood"))
        if name in LIKELIHOODS and find(LIKELIHOODS, name).counts:
            values.setdefault("nonnegative", solver.takes_constraint)
        return values

    @field_validator("method", "likelihood", "filter", "padding", "rings")
    @classmethod
    def _known_name(cls, value: str, info: Any) -> str:
        names = {
            "method": METHODS,
            "likelihood": LIKELIHOODS,
            "filter": FILTERS,
            "padding": PADDINGS,
            "rings": RINGS,
        }[info.field_name]
        if value not in names:
            raise ValueError(expected(value, names))
        return value

    @field_validator("center", mode="before")
    @classmethod
    def _column(cls, value: Any) -> Any:
        if value == "auto" or is_number(value):
            return value
        raise ValueError(f"expected a column such as 296.0, or auto, got {value!r}")

    @field_validator("outlier", mode="before")
    @classmethod
    def _size(cls, value: Any) -> Any:
        if value == "auto" or (is_number(value) and value > 0):
            return value
        raise ValueError(f"expected a line integral > 0, or auto, got {value!r}")

    @field_validator("slices")
    @classmethod
    def _slices(cls, value: str | None) -> str | None:
        if value is not None:
            parse_slices(value)
        return value

    @model_validator(mode="after")
    def _method_knows_its_settings(self) -> ScanJob:
        if self.method in DIRECT:
            self._refuse_what_iterates()
            return self
        for name in ("filter", "padding"):
            if (got := getattr(self, name)) != ScanJob.model_fields[name].default:
                raise ValueError(
                    f"{name}: expected fbp for {name} {got}, got {self.method}; "
                    f"drop it or choose --method {'|'.join(DIRECT)}"
                )
        likelihood = find(LIKELIHOODS, self.likelihood)
        if likelihood.raw_counts and (self.line_integrals or self.rings != "none"):
            got = "line integrals" if self.line_integrals else "removal of rings, which needs -log"
            raise ValueError(
                f"likelihood: expected raw counts for {self.likelihood}, got {got}; choose "
                "--likelihood weighted"
            )
        if likelihood.counts and not likelihood.raw_counts:
            self._refuse_known_noise()
        self.check_solver()
        return self

    def _refuse_known_noise(self) -> None:
        """Line integrals are no counts: the likelihood does not know their noise."""
        rule = self.prior.rule if self.prior and self.prior.weight == "auto" else ""
        if self.stop.discrepancy == "auto" or rule in ("risk", "discrepancy"):
            raise ValueError(
                "likelihood: expected a noise level that the data tell, got line integrals taken "
                f"as counts ({self.likelihood}); give a number for stop.discrepancy, or rule gcv"
            )

    def _refuse_what_iterates(self) -> None:
        settings = {
            **({"prior": self.prior} if self.prior else {}),
            **({"likelihood": self.likelihood} if self.likelihood != "least-squares" else {}),
            **({"nonnegative": True} if self.nonnegative else {}),
            **self.solver,
            **{k: v for k, v in self.stop if v != StopSettings.model_fields[k].default},
        }
        for name in settings:
            raise ValueError(
                f"{name}: expected an iterative method for it, got {self.method}; choose --method "
                + "|".join(SOLVERS)
            )
