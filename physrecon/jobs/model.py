"""What jobs of every kind share: fields, TOML, and complaints in the words of this program.

A job is everything that decides what comes out, as one frozen value; it is read from argv or from
TOML, and written into what it has made."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, ValidationError, field_serializer, field_validator, model_validator

from physrecon.catalog import PRIORS, SOLVERS, expected, find, find_all
from physrecon.errors import ArgumentError, ConfigError, PhysreconError
from physrecon.jobs.complaints import complaint
from physrecon.jobs.settings import PriorTable, StopSettings, Table
from physrecon.jobs.toml import merge, read_toml, toml_value
from physrecon.sizes import parse_bytes

Setting = bool | int | float | str


class Job(Table):
    """A job of any kind.

    PATHS: fields that are paths, relative to the folder of the job file.  EXECUTION: fields that
    say how the work is done, not what comes out: runs that differ in these are runs of the same
    job.  TABLES: fields that are tables."""

    PATHS: ClassVar[tuple[str, ...]] = ("input", "output")
    EXECUTION: ClassVar[tuple[str, ...]] = ("memory", "threads", "overwrite")
    kind: ClassVar[str]
    TABLES: ClassVar[dict[str, type[Table]]] = {"stop": StopSettings, "prior": PriorTable}

    input: Path
    output: Path
    method: str
    likelihood: str
    prior: PriorTable | None = None
    nonnegative: bool = False
    device: Literal["cpu", "cuda"] = "cpu"
    threads: int | None = Field(default=None, ge=1)
    memory: int | None = None
    overwrite: bool = False
    solver: dict[str, Setting] = Field(default={})
    stop: StopSettings = StopSettings()

    @classmethod
    def build(
        cls, values: dict[str, Any], where: str, error: type[PhysreconError] = ArgumentError
    ) -> Self:
        """The job these values describe; what is wrong with them is raised as `error`."""
        try:
            return cls.model_validate(values)
        except ValidationError as problem:
            raise error(complaint(cls, where, problem)) from None

    @classmethod
    def from_toml(cls, path: str | Path, changes: dict[str, Any] | None = None) -> Self:
        """Read a job file; `changes` take precedence.  Paths in it are relative to its folder.

        Raises MissingInputError when it cannot be read, ConfigError when it makes no sense."""
        values = cls.in_folder(read_toml(path), Path(path).parent)
        if isinstance(values.get("prior"), str):
            values["prior"] = {"name": values["prior"]}
        return cls.build(merge(values, changes or {}), str(path), ConfigError)

    @classmethod
    def in_folder(cls, values: dict[str, Any], folder: Path) -> dict[str, Any]:
        """Values of a job file with its paths as they are seen from here."""
        paths = {key for key in cls.PATHS if isinstance(values.get(key), str)}
        return values | {key: folder / values[key] for key in paths}

    def identity(self) -> Self:
        """The job without what changes how the work is done but not what comes out."""
        plain = {name: type(self).model_fields[name].default for name in self.EXECUTION}
        paths = {"input": self.input.resolve(), "output": Path(self.output.name)}
        return self.model_copy(update={**plain, **paths})

    def usual_stop(self, iterations: int) -> dict[str, Any]:
        """The settings of [stop] where the job names no number of iterations.

        iterations: as many as suit its method."""
        return {"iterations": iterations}

    def describe_method(self) -> str:
        """The method and what goes with it, in words."""
        words = [self.method, *self._details()]
        if self.stop.iterations:
            most, fewer = "", ""
            if self.stop.discrepancy is not None:
                most, fewer = "at most ", ", fewer where noise begins"
            words.append(f"{most}{self.stop.iterations} iterations{fewer}")
        if self.likelihood != type(self).model_fields["likelihood"].default:
            words.append(self.likelihood)
        if self.prior:
            words.append(f"prior {self.prior.name} of weight {self.prior.weight}")
        return ", ".join(words + ["nonnegative"] * self.nonnegative)

    def _details(self) -> list[str]:
        """Settings of the method that are worth a word."""
        return []

    def to_toml(self) -> str:
        """The job as TOML, which `from_toml` reads back in the folder its paths start from."""
        values = self.model_dump(mode="json", exclude_none=True)
        tables = {k: v for k, v in values.items() if isinstance(v, dict)}
        lines = [f"{k} = {toml_value(v)}" for k, v in values.items() if k not in tables]
        for name, table in tables.items():
            if table:
                lines += ["", f"[{name}]", *(f"{k} = {toml_value(v)}" for k, v in table.items())]
        return "\n".join(lines) + "\n"

    @property
    def solvers(self) -> dict[str, str]:
        """The table of the solvers that an iterative method of this job may name."""
        return SOLVERS

    def check_solver(self) -> None:
        """Raise ArgumentError where the solver lacks a setting, or cannot honour the prior or the
        constraint."""
        solver = find(self.solvers, self.method)
        known = tuple(field.name for field in fields(solver))
        for name in self.solver:
            if name not in known:
                raise ArgumentError(
                    f"solver: {expected(name, (*known, *StopSettings.model_fields))}"
                )
        if self.nonnegative and not solver.takes_constraint:
            able = [name for name, one in find_all(SOLVERS).items() if one.takes_constraint]
            raise ArgumentError(
                f"nonnegative: expected a method that can honour it, got {self.method}; "
                f"choose --method {'|'.join(able)}"
            )
        if self.prior is not None:
            kinds = {*find(PRIORS, self.prior.name).kinds}
            if not kinds & {*solver.takes_prior}:
                able = [n for n, one in find_all(SOLVERS).items() if kinds & {*one.takes_prior}]
                raise ArgumentError(
                    f"prior: expected a method that takes {self.prior.name}, got {self.method}; "
                    f"choose --method {'|'.join(able)}"
                )
        try:
            solver(**self.solver)
        except TypeError as problem:
            raise ArgumentError(f"solver: expected numbers, got {problem}") from None

    @model_validator(mode="before")
    @classmethod
    def _stop_settings(cls, values: Any) -> Any:
        """`solver.iterations` says the same as `stop.iterations`: users need not know who stops."""
        if isinstance(values, dict) and isinstance(values.get("solver"), dict):
            solver = dict(values["solver"])
            moved = {name: solver.pop(name) for name in StopSettings.model_fields if name in solver}
            stop = values.get("stop", {})
            if moved and isinstance(stop, dict):
                return {**values, "solver": solver, "stop": {**moved, **stop}}
        return values

    @field_validator("memory", mode="before")
    @classmethod
    def _bytes(cls, value: Any) -> Any:
        whole = isinstance(value, int) and not isinstance(value, bool)
        return parse_bytes(value) if whole or isinstance(value, str) else value

    @field_serializer("input", "output")
    def _plain_path(self, path: Path) -> str:
        return str(path)
