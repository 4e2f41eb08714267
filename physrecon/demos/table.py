"""What every demo shows: a table of times and PSNR.

Peak signal-to-noise ratio [dB]:  PSNR = 20 log₁₀(max truth / rms(volume − truth))."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.errors import OutputError
from physrecon.pipeline.messages import Report


def psnr(volume: NDArray[Any], truth: NDArray[Any]) -> float:
    """Peak signal-to-noise ratio [dB] of a volume."""
    error = volume.astype(np.float64) - truth
    return float(20 * np.log10(truth.max() / np.sqrt(np.mean(error**2))))


def make_folder(folder: Path, files: list[Path], overwrite: bool) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise OutputError(
            f"{folder}: expected a folder that can be made, got {problem.strerror}; choose another"
        ) from None
    there = [path.name for path in files if path.exists()]
    if there and not overwrite:
        raise OutputError(
            f"{folder}: expected a folder without {', '.join(there)}, got one that has them; "
            "choose another with -o, or pass --overwrite"
        )


def timed(step: Callable[[], Any]) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def print_table(report: Report, times: dict[str, float], scores: dict[str, float]) -> None:
    report.result(f"\n{'step':12}{'time':>9}{'PSNR':>12}")
    for step, seconds in times.items():
        score = f"{scores[step]:9.2f} dB" if step in scores else ""
        report.result(f"{step:12}{seconds:7.1f} s{score:>12}")
