"""Logarithms and exponentials of the kernels against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from physrecon.kernels import _elementary
from physrecon.kernels._jit import inner

DOUBLE, SINGLE = np.float64, np.float32


@inner
def _logs(x, out):
    for i in range(x.size):
        out[i] = _elementary.log(x[i])


@inner
def _log1ps(x, out):
    for i in range(x.size):
        out[i] = _elementary.log1p(x[i])


@inner
def _exps(x, out):
    for i in range(x.size):
        out[i] = _elementary.exp(x[i])


@pytest.mark.parametrize(
    ("kernel", "function", "x"),
    [
        (_logs, np.log, np.geomspace(1e-37, 1e38, 9999)),
        (_logs, np.log, np.linspace(0.5, 2, 9999)),
        (_log1ps, np.log1p, np.geomspace(1e-30, 1e30, 9999)),
        (_log1ps, np.log1p, np.linspace(-0.99, 1, 9999)),
        (_exps, np.exp, np.linspace(-86, 88, 9999)),
        (_exps, np.exp, np.linspace(-1, 1, 9999)),
    ],
)
def test_elementary_functions(kernel, function, x):
    for dtype, rtol in ((SINGLE, 5e-7), (DOUBLE, 3e-15)):
        points = x.astype(dtype)
        out = np.empty_like(points)
        kernel(points, out)
        np.testing.assert_allclose(out, function(points.astype(DOUBLE)), rtol=rtol, atol=1e-45)


def test_elementary_functions_at_the_ends():
    for dtype in (SINGLE, DOUBLE):
        out = np.empty(5, dtype)
        _exps(np.array([-np.inf, -1e4, 1e4, np.inf, np.nan], dtype), out)
        np.testing.assert_array_equal(out, [0, 0, np.inf, np.inf, np.nan])
