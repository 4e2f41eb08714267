"""Fields of a job: each declares its key, option, default and meaning."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.fields import FieldInfo

from physrecon.jobs.checks import OneOf


class Table(BaseModel):
    """A job, or a table in it: a frozen value."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_true_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        """pydantic takes true for 1; the checks of `jobs.checks` do not."""
        field = cls.model_fields[info.field_name or ""]
        checked = any(isinstance(part, BeforeValidator) for part in field.metadata)
        kind = "bool" if checked else str(field.annotation)
        if isinstance(value, bool) and "bool" not in kind and ("int" in kind or "float" in kind):
            raise ValueError(f"expected a number, got {str(value).lower()}")
        return value


def option(
    default: Any,
    text: str,
    *,
    flag: str | None = None,
    metavar: str | None = None,
    alone: str | None = None,
    execution: bool = False,
    **limits: Any,
) -> Any:
    """Declare a field of a job, with its text for the command line and the documentation.

    flag: "-o/--output", or "SCAN" for a positional argument; "" for none.  By default it is --name,
    or --no-name if the default is true, and none for a field of a table.  alone: the value of a
    flag that is given without one.  execution: the field does not affect the result; runs that
    differ in it are runs of the same job.  limits: those of pydantic's Field."""
    extra: dict[str, Any] = {"flag": flag, "metavar": metavar, "alone": alone}
    extra["execution"] = execution
    return Field(default, description=text, json_schema_extra=extra, **limits)


@dataclass(frozen=True)
class Option:
    """A field of a job.  key: its place in TOML, such as stop.iterations."""

    key: str
    field: FieldInfo

    @property
    def extra(self) -> dict[str, Any]:
        extra = self.field.json_schema_extra
        return dict(extra) if isinstance(extra, dict) else {}

    @property
    def flags(self) -> tuple[str, ...]:
        """Its names on the command line; none if only --set reaches it."""
        flag = self.extra.get("flag")
        if flag is None and "." not in self.key:
            flag = f"--{'no-' * (self.field.default is True)}{self.key.replace('_', '-')}"
        return tuple(flag.split("/")) if flag else ()

    @property
    def required(self) -> bool:
        """Whether every job must have it; false for a field of a table, which may be absent."""
        return self.field.is_required() and "." not in self.key

    @property
    def metavar(self) -> str:
        return self.extra.get("metavar") or ("NAME" if self._check else self.key.upper())

    @property
    def default(self) -> str:
        """The default as text; empty if there is none, or if the field is a switch."""
        value = self.field.default
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            return ""
        return f"{value:g}" if isinstance(value, float) else str(value)

    def names(self) -> tuple[str, ...]:
        """The names that the field accepts; none if it is not a name."""
        return self._check.known() if self._check else ()

    @property
    def _check(self) -> OneOf | None:
        checks = (getattr(part, "func", None) for part in self.field.metadata)
        return next((check for check in checks if isinstance(check, OneOf)), None)

    def help(self) -> str:
        """The meaning, the accepted names, and the default."""
        names = ", ".join(self.names())
        default = f" (default: {self.default})" if self.default else ""
        denied = "do not " if self.field.default is True else ""
        return f"{denied}{self.field.description}{names and f': {names}'}{default}"


def options(model: type[Table], path: str = "") -> Iterator[Option]:
    """The fields of a job, and those of its tables."""
    for name, field in model.model_fields.items():
        if table := table_of(field):
            yield from options(table, f"{path}{name}.")
        else:
            yield Option(path + name, field)


def table_of(field: FieldInfo) -> type[Table] | None:
    """The model of a field that is a table."""
    kinds = (field.annotation, *get_args(field.annotation))
    return next(
        (kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Table)), None
    )
