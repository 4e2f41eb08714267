"""The base of all jobs: common fields, TOML, and the checks of methods.

A job is one frozen value that holds all settings of a result.  It is read from argv or from TOML,
and stored in the result.  A subclass declares its fields and constants; they are checked here."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self, get_args

from pydantic import ValidationError, field_serializer, model_validator

from physrecon.catalog import (
    DEVICES,
    LIKELIHOODS,
    OVERWRITE,
    PRIORS,
    SOLVERS,
    SOLVERS_FOR,
    STORED_TYPES,
    expected,
    find,
    find_all,
)
from physrecon.errors import ArgumentError, ConfigError, PhysreconError
from physrecon.jobs.checks import LONGEST_OUTPUT, check_path
from physrecon.jobs.complaints import complaint
from physrecon.jobs.options import Table, option, options
from physrecon.jobs.settings import (
    CONVERGED,
    PRIOR_ITERATION_FACTOR,
    PriorTable,
    StopSettings,
)
from physrecon.jobs.toml import merge, read_toml, toml_value
from physrecon.jobs.types import Bytes, Setting, ValueRange, Whole, one_of


class Job(Table):
    """A job of any kind.

    DIRECT: direct method → its settings in [solver].  OF_DIRECT: fields of direct methods only.
    WITH_PRIOR: the default likelihood of an iterative method with a prior, except count methods.
    NAMED: the name of a result in a folder, from that of its input."""

    NAMED: ClassVar[str]
    DIRECT: ClassVar[dict[str, tuple[str, ...]]]
    OF_DIRECT: ClassVar[tuple[str, ...]] = ()
    WITH_PRIOR: ClassVar[str]

    kind: str
    input: Path
    output: Path
    method: str
    likelihood: str
    prior: PriorTable | None = None
    stop: StopSettings = StopSettings()
    out_dtype: Annotated[str, one_of(STORED_TYPES)] = option(
        "float32", "type of the voxels in OUT; integers are scaled, and the scale is stored"
    )
    out_range: ValueRange | None = option(
        None, "values that integers of --out-dtype stand for (default: all from the least to the "
        "largest)", metavar="LO:HI",
    )  # fmt: skip
    nonnegative: bool = option(
        False,
        "keep the result at or above zero, with iterative methods; unless given, with counts",
    )
    device: Annotated[str, one_of(DEVICES)] = option("cpu", "where to compute")
    threads: Whole | None = option(
        None, "threads of the processor (default: all cores)", metavar="N", execution=True
    )
    memory: Bytes | None = option(
        None, "memory to use at most, such as 4GB (default: half of what is free)", metavar="SIZE",
        execution=True,
    )  # fmt: skip
    overwrite: bool = option(False, OVERWRITE, execution=True)
    residuals: bool = option(
        False, "draw the residual that the check of the model looks at, OUT.residuals.png",
        execution=True,
    )  # fmt: skip
    history: Path | None = option(
        None, "convergence of every piece: f(x) and change of x by iteration, as a table FILE.csv, "
        "or as a picture FILE.png with the table beside it", metavar="FILE", execution=True,
    )  # fmt: skip
    solver: dict[str, Setting] = option({}, "settings of the method", flag="")

    @classmethod
    def build(
        cls,
        values: dict[str, Any],
        where: str,
        error: type[PhysreconError] = ArgumentError,
        flags: bool = False,
    ) -> Self:
        """The job with these values; raises `error` if they are invalid.

        flags: name fields as the command line does."""
        try:
            return cls.model_validate(values)
        except ValidationError as problem:
            raise error(complaint(cls, where, problem, flags)) from None
        except UnicodeEncodeError as problem:  # pydantic takes no sentence with bytes of a name
            said = problem.object.encode(errors="backslashreplace").decode()
            raise error(f"{where}: {said}") from None

    @classmethod
    def from_toml(cls, path: str | Path, changes: dict[str, Any] | None = None) -> Self:
        """Read a job file; `changes` take precedence.  Paths in it are relative to its folder.

        Raises MissingInputError if it cannot be read, ConfigError if it is invalid."""
        values = cls.unfolded(cls.in_folder(read_toml(path), Path(path).parent))
        return cls.build(merge(values, cls.unfolded(changes or {})), str(path), ConfigError)

    @classmethod
    def in_folder(cls, values: dict[str, Any], folder: Path) -> dict[str, Any]:
        """The values of a job file, with relative paths taken from `folder`."""
        values = cls.named(values)
        types = {k: (f.annotation, *get_args(f.annotation)) for k, f in cls.model_fields.items()}
        paths = [
            k for k, kinds in types.items() if Path in kinds and isinstance(values.get(k), str)
        ]
        return values | {key: folder / values[key] for key in paths}

    @classmethod
    def named(cls, values: dict[str, Any]) -> dict[str, Any]:
        """The values with the name of a file for an output of `FOLDER/`."""
        output, path = values.get("output"), values.get("input")
        if not isinstance(output, str) or not output.endswith("/") or path is None:
            return values
        stem = Path(str(path).partition("::")[0]).stem
        return values | {"output": output + cls.NAMED.format(stem)}

    def fingerprinted(self) -> Self:
        """The job with its execution settings reset; only those that affect the result remain."""
        plain = {o.key: o.field.default for o in options(type(self)) if o.extra.get("execution")}
        paths = {
            name: Path(os.path.realpath(path)) for name, path in self if isinstance(path, Path)
        }
        return self.model_copy(update={**paths, **plain, "output": Path(self.output.name)})

    def usual_stop(self, iterations: int) -> dict[str, Any]:
        """The settings of [stop] for a job without a number of iterations.

        With a prior they go on to convergence.  Without one the solution of noisy data gets worse
        in the end, and the number of iterations is what keeps the noise down.
        iterations: the usual number for its method."""
        if self.prior is None and not self.stop.gain:
            return {"iterations": iterations}
        gain = {"gain": CONVERGED} if self.stop == StopSettings() else {}
        return {"iterations": PRIOR_ITERATION_FACTOR * iterations, **gain}

    def describe_method(self) -> str:
        """The method, its settings, likelihood and prior, in words."""
        words = [self.method, *self._details()]
        if self.stop.iterations:
            most, fewer = "", ""
            if self.stop.discrepancy is not None:
                most, fewer = "at most ", ", fewer where noise begins"
            elif self.stop.gain:
                most, fewer = "at most ", ", fewer where it has converged"
            words.append(f"{most}{self.stop.iterations} iterations{fewer}")
        if self.likelihood != type(self).model_fields["likelihood"].default:
            words.append(self.likelihood)
        if self.prior:
            words.append(f"prior {self.prior.name} of weight {self.prior.weight}")
        return ", ".join(words + ["nonnegative"] * self.nonnegative)

    def _details(self) -> list[str]:
        """Settings to mention with the method."""
        return []

    def to_toml(self, given: bool = False) -> str:
        """The job as TOML, which `from_toml` reads back in the folder its paths start from.

        given: the fields that were given alone; all others have their defaults."""
        values = self.model_dump(mode="json", exclude_none=True, exclude_unset=given)
        tables = {k: v for k, v in values.items() if isinstance(v, dict)}
        lines = [f"{k} = {toml_value(v)}" for k, v in values.items() if k not in tables]
        for name, table in tables.items():
            if table:
                lines += ["", f"[{name}]", *(f"{k} = {toml_value(v)}" for k, v in table.items())]
        return "\n".join(lines) + "\n"

    @property
    def residual_picture(self) -> Path:
        return Path(f"{self.output}.residuals.png")

    @property
    def history_files(self) -> list[Path]:
        """The table of the history, and its picture if there is to be one."""
        if self.history is None:
            return []
        return list(dict.fromkeys((self.history.with_suffix(".csv"), self.history)))

    @property
    def beside(self) -> dict[Path, str]:
        """The files that are written beside the result, each with its content in words."""
        files = [*self.history_files, *[self.residual_picture] * self.residuals]
        words = ["f(x) and change of x by iteration"] * len(self.history_files)
        return dict(zip(files, [*words, "the residual that was checked"], strict=False))

    @property
    def model_parts(self) -> str:
        """What of the model may not fit the data, in words."""
        return "axis, angles, truncation"

    @property
    def solvers(self) -> dict[str, str]:
        """The table of solvers for the iterative methods of this job."""
        return SOLVERS

    @classmethod
    def methods(cls) -> tuple[str, ...]:
        """The names of all methods, direct ones first."""
        return next(one for one in options(cls) if one.key == "method").names()

    @classmethod
    def unfolded(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Move every setting into its table.

        A prior may be given by its name alone, a stopping rule in [solver], and the weight of a
        direct method in [prior]."""
        prior, solver, stop = (values.get(key, {}) for key in ("prior", "solver", "stop"))
        tables: dict[str, Any] = {}
        if isinstance(prior, str):
            tables["prior"] = {"name": prior}
        if not (isinstance(solver, dict) and isinstance(stop, dict)):
            return {**values, **tables}
        of_direct = "weight" in cls.DIRECT.get(str(values.get("method")), ())
        if of_direct and isinstance(prior, dict) and [*prior] == ["weight"]:
            solver, tables["prior"] = {**prior, **solver}, None
        moved = {key: solver[key] for key in StopSettings.model_fields if key in solver}
        if solver:
            tables["solver"] = {key: value for key, value in solver.items() if key not in moved}
        if moved:
            tables["stop"] = {**moved, **stop}
        return {**values, **tables}

    @model_validator(mode="before")
    @classmethod
    def _unfold(cls, values: Any) -> Any:
        return cls.unfolded(cls.named(values)) if isinstance(values, dict) else values

    @model_validator(mode="after")
    def _checked(self) -> Self:
        for name, value in self:
            if isinstance(value, Path):
                _check_path(name, value)
        if self.history is not None and self.history.suffix.lower() not in (".csv", ".png"):
            raise ValueError(
                f"history: expected a name that ends in .csv or .png, got {self.history.name}"
            )
        if self.out_range is not None and not self.out_dtype.startswith("uint"):
            raise ValueError(
                f"out_range: expected integers, got out_dtype {self.out_dtype}; add --out-dtype "
                "uint16 or drop the range"
            )
        self.__dict__.update(self._what_follows())
        self._check_kind()
        self._refuse_name_of_method()
        if self.method in self.DIRECT:
            self._refuse_what_iterates()
            return self
        for name in self.OF_DIRECT:
            if (got := getattr(self, name)) != type(self).model_fields[name].default:
                direct = "|".join(self.DIRECT)
                raise ValueError(
                    f"{name}: expected {direct} for {name} {got}, got {self.method}; "
                    f"drop it or choose --method {direct}"
                )
        self._check_solver()
        return self

    def _what_follows(self) -> dict[str, Any]:
        """Defaults that follow from other fields.

        The prior determines the method, method and prior determine the likelihood, and counts imply
        nonnegative."""
        method, likelihood = self.method, self.likelihood
        if self.prior and "method" not in self.model_fields_set:
            prior = find(PRIORS, self.prior.name)
            kinds = {*find(SOLVERS, method).accepts} if method in SOLVERS else set()
            method = method if kinds & {*prior.capabilities} else prior.solver
        solver = find(SOLVERS, method) if method in SOLVERS else None
        if "likelihood" not in self.model_fields_set:
            likelihood = self.WITH_PRIOR if self.prior and solver else "least-squares"
            likelihood = "poisson" if solver and solver.counts_only else likelihood
        follows = {"method": method, "likelihood": likelihood}
        if solver and "nonnegative" not in self.model_fields_set:
            counts = find(LIKELIHOODS, likelihood).counts
            follows["nonnegative"] = counts and solver.takes_constraint
        return follows

    def _check_kind(self) -> None:
        """Raise ValueError for fields of this kind of job that do not go together."""

    def _refuse_what_iterates(self) -> None:
        """Raise ValueError for fields that a direct method does not use."""
        known = self.DIRECT[self.method]
        given = {
            "prior": self.prior is not None,
            "likelihood": self.likelihood != "least-squares",
            "nonnegative": self.nonnegative,
            "history": self.history is not None,
            **{key: value != StopSettings.model_fields[key].default for key, value in self.stop},
            **dict.fromkeys(() if known else self.solver, True),
        }
        for name, is_given in given.items():
            if is_given:
                raise ValueError(
                    f"{name}: expected an iterative method for it, got {self.method}"
                    f"{'' if 'method' in self.model_fields_set else ' as none is given'}; choose "
                    f"--method {'|'.join(self._able())}"
                )
        for name in self.solver:
            if name not in known:
                raise ValueError(f"solver: {expected(name, known)}")

    def _able(self) -> list[str]:
        """The iterative methods that take the likelihood, the prior and the constraint of the job,
        as far as each of them tells alone."""
        kinds = {*find(PRIORS, self.prior.name).capabilities} if self.prior else set()
        given = "likelihood" in self.model_fields_set
        counts = not given or find(LIKELIHOODS, self.likelihood).counts
        solvers = find_all({name: SOLVERS[name] for name in self.methods() if name in SOLVERS})
        return [
            name
            for name, solver in solvers.items()
            if name in SOLVERS_FOR.get(self.likelihood, (*SOLVERS,))
            and (solver.takes_constraint or not self.nonnegative)
            and (counts or not solver.counts_only)
            and (not kinds or kinds & {*solver.accepts})
        ]

    def _check_solver(self) -> None:
        """Raise ValueError for unknown or wrong settings of the solver, or if it cannot take the
        prior or the constraint."""
        solver = find(self.solvers, self.method)
        if self.stop.iterations == "auto" and (self.prior is not None or self.stop != ONLY_AUTO):
            raise ValueError(
                "stop.iterations: expected auto without a prior or another rule of [stop], "
                "got both; give a number, or drop the other"
            )
        known = tuple(field.name for field in fields(solver))
        for name in self.solver:
            if name not in known:
                raise ValueError(f"solver: {expected(name, (*known, *StopSettings.model_fields))}")
        if self.nonnegative and not solver.takes_constraint:
            raise ValueError(
                f"nonnegative: expected a method that can honour it, got {self.method}; "
                f"choose --method {'|'.join(self._able())}"
            )
        if self.prior is not None:
            kinds = {*find(PRIORS, self.prior.name).capabilities}
            if not kinds & {*solver.accepts}:
                raise ValueError(
                    f"prior: expected a method that takes {self.prior.name}, got {self.method}; "
                    f"choose --method {'|'.join(self._able())}"
                )
        try:
            solver(**self.solver)
        except TypeError as problem:
            raise ValueError(f"solver: expected numbers, got {problem}") from None

    def _refuse_name_of_method(self) -> None:
        """Raise ValueError for a method named in [solver], which is the table of its settings."""
        for key in ("name", "method"):
            if key in self.solver:
                raise ValueError(
                    f"solver: expected settings of the method {self.method}, got {key}; write "
                    f"method = {toml_value(self.solver[key])} above all tables"
                )

    @field_serializer("input", "output")
    def _plain_path(self, path: Path) -> str:
        return str(path)


ONLY_AUTO = StopSettings(iterations="auto")


def _check_path(name: str, path: Path) -> None:
    """Raise ValueError, with the name of its field, for a path that no file can have."""
    try:
        check_path(path)
        if name == "output":
            check_path(path.name, LONGEST_OUTPUT)
    except ValueError as problem:
        raise ValueError(f"{name}: {problem}") from None
