"""A job: everything that decides what a reconstruction is, as one frozen value.

It is read from argv or from TOML:

input = "scan.h5"
output = "volume.h5"
method = "cgls"

[stop]
iterations = 30
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    Field,
    ValidationError,
    field_serializer,
    field_validator,
    model_validator,
)

from physrecon.blocks import parse_bytes, parse_slices
from physrecon.errors import ArgumentError, ConfigError, MissingInputError, PhysreconError
from physrecon.names import (
    COUNT_LIKELIHOODS,
    COUNT_METHODS,
    DIRECT,
    FILTERS,
    ITERATIONS,
    LIKELIHOODS,
    METHODS,
    PADDINGS,
    PRIORS,
    RINGS,
    STOP_SETTINGS,
    UNCONSTRAINED,
    expected,
    nearest,
)
from physrecon.settings import PriorSettings, StopSettings, Table

# How the work is done, not what comes out: runs that differ in these are runs of the same job.
EXECUTION = ("slab_rows", "memory", "threads", "overwrite", "allow_root")

TABLES: dict[str, type[Table]] = {"stop": StopSettings, "prior": PriorSettings}
Setting = bool | int | float | str


class Job(Table):
    """One scan to one volume."""

    input: Path
    output: Path
    method: str = DIRECT[0]
    likelihood: str = LIKELIHOODS[0]
    outlier: float | Literal["auto"] = "auto"
    prior: PriorSettings | None = None
    filter: str = "ram-lak"
    padding: str = "zero"
    center: float | Literal["auto"] = "auto"
    slices: str | None = None
    rings: str = "none"
    nonnegative: bool = False
    angle_unit: Literal["deg", "rad"] | None = None
    line_integrals: bool = False
    allow_root: Path | None = None
    device: Literal["cpu", "cuda"] = "cpu"
    threads: int | None = Field(default=None, ge=1)
    memory: int | None = None
    slab_rows: int | None = Field(default=None, ge=1)
    overwrite: bool = False
    solver: dict[str, Setting] = Field(default={})
    stop: StopSettings = StopSettings()

    @classmethod
    def build(
        cls, values: dict[str, Any], where: str, error: type[PhysreconError] = ArgumentError
    ) -> Job:
        """The job these values describe; what is wrong with them is raised as `error`."""
        try:
            return cls.model_validate(values)
        except ValidationError as problem:
            raise error(_complaint(where, problem)) from None

    @classmethod
    def from_toml(cls, path: str | Path, changes: dict[str, Any] | None = None) -> Job:
        """Read a job file; `changes` take precedence.  Paths in it are relative to its folder.

        Raises MissingInputError when it cannot be read, ConfigError when it makes no sense."""
        path = Path(path)
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as problem:
            raise MissingInputError(
                f"{path}: expected a job file, got {problem.strerror or problem}; check the path"
            ) from None
        except UnicodeDecodeError:
            raise ConfigError(
                f"{path}: expected a job file in TOML, got something that is no text; "
                "reconstruct a scan with `physrecon recon`"
            ) from None
        except tomllib.TOMLDecodeError as problem:
            raise ConfigError(f"{path}: expected TOML, got {problem}") from None
        for key in ("input", "output", "allow_root"):
            if isinstance(values.get(key), str):
                values[key] = path.parent / values[key]
        if isinstance(values.get("prior"), str):
            values["prior"] = {"name": values["prior"]}
        return cls.build(merge(values, changes or {}), str(path), ConfigError)

    def identity(self) -> Job:
        """The job without what changes how the work is done but not what comes out."""
        plain = {name: Job.model_fields[name].default for name in EXECUTION}
        paths = {"input": self.input.resolve(), "output": Path(self.output.name)}
        return self.model_copy(update={**plain, **paths})

    def to_toml(self) -> str:
        """The job as TOML, which `from_toml` reads back in the folder its paths start from."""
        values = self.model_dump(mode="json", exclude_none=True)
        tables = {k: v for k, v in values.items() if isinstance(v, dict)}
        lines = [f"{k} = {_toml(v)}" for k, v in values.items() if k not in tables]
        for name, table in tables.items():
            if table:
                lines += ["", f"[{name}]", *(f"{k} = {_toml(v)}" for k, v in table.items())]
        return "\n".join(lines) + "\n"

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
        if isinstance(prior, dict) and prior.get("name") in PRIORS:
            values.setdefault("method", PRIORS[prior["name"]])
            if values["method"] not in (*COUNT_METHODS, *DIRECT):
                values.setdefault("likelihood", "weighted")
        if values.get("method") in COUNT_METHODS:
            values.setdefault("likelihood", "poisson")
        if values.get("likelihood") in COUNT_LIKELIHOODS:
            method = values.get("method", DIRECT[0])
            values.setdefault("nonnegative", method not in (*DIRECT, *UNCONSTRAINED))
        return values

    @model_validator(mode="before")
    @classmethod
    def _stop_settings(cls, values: Any) -> Any:
        """`solver.iterations` says the same as `stop.iterations`: users need not know who stops."""
        if isinstance(values, dict) and isinstance(values.get("solver"), dict):
            solver = dict(values["solver"])
            moved = {name: solver.pop(name) for name in STOP_SETTINGS if name in solver}
            stop = values.get("stop", {})
            if moved and isinstance(stop, dict):
                return {**values, "solver": solver, "stop": {**moved, **stop}}
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
        if value == "auto" or (isinstance(value, (int, float)) and not isinstance(value, bool)):
            return value
        raise ValueError(f"expected a column such as 296.0, or auto, got {value!r}")

    @field_validator("memory", mode="before")
    @classmethod
    def _bytes(cls, value: Any) -> Any:
        whole = isinstance(value, int) and not isinstance(value, bool)
        return parse_bytes(value) if whole or isinstance(value, str) else value

    @field_validator("outlier", mode="before")
    @classmethod
    def _size(cls, value: Any) -> Any:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if value == "auto" or (number and value > 0):
            return value
        raise ValueError(f"expected a line integral > 0, or auto, got {value!r}")

    @field_validator("slices")
    @classmethod
    def _slices(cls, value: str | None) -> str | None:
        if value is not None:
            parse_slices(value)
        return value

    @model_validator(mode="after")
    def _method_knows_its_settings(self) -> Job:
        if self.method in DIRECT:
            self._refuse_what_iterates()
            return self
        for name in ("filter", "padding"):
            if (got := getattr(self, name)) != Job.model_fields[name].default:
                raise ValueError(
                    f"{name}: expected fbp for {name} {got}, got {self.method}; "
                    f"drop it or choose --method {'|'.join(DIRECT)}"
                )
        if self.likelihood == "transmission" and (self.line_integrals or self.rings != "none"):
            got = "line integrals" if self.line_integrals else "removal of rings, which needs -log"
            raise ValueError(
                f"likelihood: expected raw counts for transmission, got {got}; choose --likelihood "
                "weighted"
            )
        if self.likelihood == "poisson":
            self._refuse_known_noise()
        self.make_solver()
        return self

    def _refuse_known_noise(self) -> None:
        """Line integrals are no counts: the likelihood does not know their noise."""
        rule = self.prior.rule if self.prior and self.prior.weight == "auto" else ""
        if self.stop.discrepancy == "auto" or rule in ("risk", "discrepancy"):
            raise ValueError(
                "likelihood: expected a noise level that the data tell, got line integrals taken "
                "as counts (poisson); give a number for stop.discrepancy, or rule gcv"
            )

    def _refuse_what_iterates(self) -> None:
        settings = {
            **({"prior": self.prior} if self.prior else {}),
            **({"likelihood": self.likelihood} if self.likelihood != LIKELIHOODS[0] else {}),
            **({"nonnegative": True} if self.nonnegative else {}),
            **self.solver,
            **{k: v for k, v in self.stop if v != StopSettings.model_fields[k].default},
        }
        for name in settings:
            raise ValueError(
                f"{name}: expected an iterative method for it, got {self.method}; choose --method "
                + "|".join(ITERATIONS)
            )

    def make_solver(self) -> Any:
        """The solver of an iterative method, with its settings.  Raises ArgumentError."""
        from physrecon.solvers import METHODS as solvers
        from physrecon.solvers.state import suits

        solver: Any = solvers[self.method]
        known = tuple(field.name for field in fields(solver))
        for name in self.solver:
            if name not in known:
                raise ArgumentError(f"solver: {expected(name, (*known, *STOP_SETTINGS))}")
        if self.nonnegative and not solver.takes_constraint:
            able = [name for name, one in solvers.items() if one.takes_constraint]
            raise ArgumentError(
                f"nonnegative: expected a method that can honour it, got {self.method}; "
                f"choose --method {'|'.join(able)}"
            )
        prior = self.prior and self.prior.make()
        if prior is not None and not suits(solver, prior):
            able = [name for name, one in solvers.items() if suits(one, prior)]
            raise ArgumentError(
                f"prior: expected a method that takes {self.prior.name}, got {self.method}; "  # type: ignore[union-attr]
                f"choose --method {'|'.join(able)}"
            )
        try:
            return solver(**self.solver)
        except TypeError as problem:
            raise ArgumentError(f"solver: expected numbers, got {problem}") from None

    @field_serializer("input", "output")
    def _plain_path(self, path: Path) -> str:
        return str(path)


def merge(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`values` with `changes` put in, table by table."""
    merged = dict(values)
    for key, value in changes.items():
        table = merged.get(key)
        both = isinstance(table, dict) and isinstance(value, dict)
        merged[key] = merge(table, value) if both else value  # type: ignore[arg-type]
    return merged


def _toml(value: Any) -> str:
    """A TOML value: JSON writes strings, numbers and booleans as TOML does, but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _complaint(where: str, problem: ValidationError) -> str:
    """What is wrong with a job: one sentence a field, and what there is where no name is near."""
    first = {_place(p): p for p in reversed(problem.errors())}  # a union complains once a type
    lines = [_sentence(where, p) for p in reversed(first.values())]
    strange = {_table(p) for p in first.values() if p["type"] == "extra_forbidden"}
    for table in sorted(strange):
        keys = TABLES.get(table, Job).model_fields
        lines.append(f"the keys{f' of [{table}]' if table else ''} are {', '.join(keys)}")
    return "; ".join(lines) if len(lines) == 1 else "\n  ".join(lines)


def _table(problem: Any) -> str:
    """The table of the job that a complaint is about, or nothing."""
    name = str(problem["loc"][0]) if problem["loc"] else ""
    return name if name in TABLES else ""


def _place(problem: Any) -> str:
    return ".".join(str(part) for part in problem["loc"][:2])


def _sentence(where: str, problem: Any) -> str:
    """One pydantic complaint in the words of this program."""
    place = _place(problem)
    if problem["type"] == "extra_forbidden":
        keys = TABLES.get(_table(problem), Job).model_fields
        near = nearest(problem["loc"][-1], tuple(keys))
        return f"{where}: {place}: expected a key that is known, got {place!r}{near}"
    if problem["loc"][:1] == ("solver",) and len(problem["loc"]) > 1:
        return f"{where}: {place}: expected a finite number, got {problem['input']!r}"
    if place == "prior.name" and problem["type"] == "missing":
        some = ", ".join(problem["input"]) or "an empty [prior]"
        choice = f"choose --prior {'|'.join(PRIORS)}"
        return f"{where}: prior: expected a prior to go with {some}, got none; {choice}"
    if problem["type"] == "missing":
        return f"{where}: {place}: expected a value, got none; set it"
    message = problem["msg"].removeprefix("Value error, ").removeprefix(f"{place}: ")
    message = message.replace("Input should be", "expected")
    got = "" if ", got " in message else f", got {problem['input']!r}"
    return f"{where}: {place + ': ' if place else ''}{message}{got}"
