"""Libraries that must fit each other and the driver: which are here, and what installs a fit."""

from __future__ import annotations

import re
from pathlib import Path

from physrecon.errors import DeviceError

LIBRARIES = ("numpy", "numba", "numba-cuda", "cupy-cuda12x", "cupy-cuda13x", "cupy")
DRIVER = Path("/proc/driver/nvidia/version")
CUDA13_DRIVER = 580  # the first driver of CUDA 13 (NVIDIA's release notes, table of drivers)


def unusable_gpu(error: Exception) -> DeviceError:
    """The error for a GPU that does not compute: versions, and the command that mends them."""
    driver = _driver()
    kind = "cuda13" if driver and int(driver.split(".")[0]) >= CUDA13_DRIVER else "cuda12"
    return DeviceError(
        f"device: expected a CUDA GPU that computes, got {_got(error)}; run `{_command(kind)}` "
        "on a machine with an NVIDIA GPU, or use --device cpu"
    )


def unusable_cpu(error: Exception) -> DeviceError:
    """The error for a Numba that cannot be imported, beside a NumPy that is too new for it say."""
    return DeviceError(
        f"device: expected Numba and a NumPy that fits it, got {_got(error)}; run `{_command()}`"
    )


def _got(error: Exception) -> str:
    text = " ".join(str(error).split())[:300] or "no reason"
    found = {name: _version(name) for name in LIBRARIES}
    versions = [f"{name} {version}" for name, version in found.items() if version]
    if not any(name.startswith("cupy") for name in versions):
        versions.append("no CuPy")
    versions.append(f"driver {_driver()}" if _driver() else "no NVIDIA driver")
    return f"{type(error).__name__}: {text} ({', '.join(versions)})"


def _version(name: str) -> str:
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _driver() -> str:
    """Version of NVIDIA's driver, "" if there is none."""
    try:
        found = re.search(r"Kernel Module\D*([\d.]+)", DRIVER.read_text())
    except OSError:
        return ""
    return found[1] if found else ""


def _command(extra: str = "") -> str:
    """The command that installs what our package states for NumPy, Numba and an extra."""
    from importlib import metadata

    try:
        stated = metadata.requires("physrecon") or []
    except metadata.PackageNotFoundError:
        stated = []
    needed = []
    for line in stated:
        name, _, condition = line.partition(";")
        wanted = extra in re.findall(r"\w+", condition) if extra else not condition
        if wanted and (extra or re.match(r"(numpy|numba)\b", name)):
            needed.append(f"'{name.strip()}'")
    if not needed:  # run from its sources, not installed
        needed = [f"'physrecon[{extra}]'" if extra else "numpy numba"]
    return f"pip install {' '.join(needed)}"
