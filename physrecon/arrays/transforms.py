"""Fourier transforms on the machine of an array: module, threads and lengths."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from physrecon.arrays.device import is_device


def library(like: Any) -> tuple[Any, dict[str, int]]:
    """The FFT module for the machine of an array, and its keyword for threads."""
    if is_device(like):
        from cupyx.scipy import fft

        return fft, {}
    from numba import get_num_threads
    from scipy import fft

    return fft, {"workers": get_num_threads()}


def fast_lengths(least: Iterable[int]) -> tuple[int, ...]:
    """The next lengths that transform fast; the last axis has a real transform."""
    from scipy.fft import next_fast_len

    *others, last = least
    return (*(next_fast_len(n) for n in others), next_fast_len(last, real=True))
