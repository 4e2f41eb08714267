"""Job files: TOML read, merged and written."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from physrecon.errors import ConfigError, MissingInputError
from physrecon.jobs.checks import check_path


def read_toml(path: str | Path) -> dict[str, Any]:
    """The keys of a job file.  Raises MissingInputError, ConfigError."""
    try:
        check_path(path)
    except ValueError as problem:
        raise MissingInputError(f"{str(path)[:60]!r}: {problem}; check the path") from None
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
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


def merge(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`values` updated with `changes`, table by table."""
    merged = dict(values)
    for key, value in changes.items():
        table = merged.get(key)
        both = isinstance(table, dict) and isinstance(value, dict)
        merged[key] = merge(table, value) if both else value  # type: ignore[arg-type]
    return merged


def nested(key: str, value: Any) -> dict[str, Any]:
    """`solver.step` of 0.9 as {"solver": {"step": 0.9}}."""
    for name in reversed(key.split(".")):
        value = {name: value}
    return value  # type: ignore[no-any-return]


def read_word(text: str) -> Any:
    """The value that a text is in TOML; a bare word is a string."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text.strip()


def toml_value(value: Any) -> str:
    """A TOML value: JSON writes strings, numbers and booleans as TOML does, except DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
