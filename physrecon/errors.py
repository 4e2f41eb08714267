"""What can go wrong, one class per exit code (sysexits).

Every message reads *where: expected X, got Y; do Z.*  The command line prints the message and
returns `exit_code`; a program catches the class."""


class PhysreconError(Exception):
    """Base of all errors that physrecon raises on purpose."""

    exit_code = 70


class ArgumentError(PhysreconError, ValueError):
    """A value given by the caller has the wrong shape, type or range."""

    exit_code = 64


class DataError(PhysreconError):
    """The measured data or their file cannot be used as they are."""

    exit_code = 65


class ReadError(DataError):
    """The input could not be read just now: a disk or a network share that failed for a while."""


class MissingInputError(PhysreconError):
    """An input file does not exist or cannot be opened for reading."""

    exit_code = 66


class DeviceError(PhysreconError):
    """The device that was asked for is absent or does not answer."""

    exit_code = 69


class OutputError(PhysreconError):
    """The output cannot be created: it exists already, or its folder cannot be written."""

    exit_code = 73


class WriteError(PhysreconError):
    """Writing the output failed half-way: a full disk, a lost mount."""

    exit_code = 74


class Interrupted(PhysreconError):
    """Stopped on request with the finished part kept; run again to go on."""

    exit_code = 75


class ConfigError(PhysreconError):
    """A job file does not say what can be done."""

    exit_code = 78


def brief(value: object) -> str:
    """How a message names a value: in 60 letters, arrays by dtype and shape."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and not hasattr(value, "in_shape"):  # operators name themselves
        return f"{type(value).__name__} of {getattr(value, 'dtype', '')} {shape}".replace("  ", " ")
    if isinstance(value, list | tuple) and len(value) > 4:
        return f"{type(value).__name__} of {len(value)}"
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:59]}…"


def require(where: str, value: object, kind: type, make: str) -> None:
    """Raise ArgumentError unless the value is of this class; `make` is a call that makes one."""
    if not isinstance(value, kind):
        raise ArgumentError(
            f"{where}: expected a pr.{kind.__name__}, got {brief(value)}; make one: {make}"
        )
