"""Forked children and threads of Python: the numbers of one thread, or no test would end."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.thorough

SETUP = """
import multiprocessing, os, sys, threading
from concurrent.futures import ThreadPoolExecutor
import numpy as np
import physrecon as pr

rng = np.random.default_rng(0)
image = rng.random((2, 20, 24)).astype(np.float32)
psf = rng.random((3, 5))
scan = pr.ParallelBeam(np.linspace(0, 180, 9, endpoint=False), (2, 24), angle_unit="deg")
projector = pr.Projector(scan)
blurs = [pr.Blur(psf, image.shape, method=method) for method in ("fft", "direct")]
y = projector @ rng.random(projector.in_shape).astype(np.float32)
counts = rng.poisson(100 * image).astype(np.float32)
prior = pr.TotalVariation(0.1)

def works():
    yield lambda: projector @ np.ones(projector.in_shape, np.float32)
    yield lambda: projector.T @ y
    for blur in blurs:
        yield lambda blur=blur: blur @ image
        yield lambda blur=blur: blur.T @ image
    yield lambda: prior.prox(image.copy(), 0.5)
    yield lambda: pr.wiener(image.copy(), psf)
    f = pr.LeastSquares(projector, y)
    yield lambda: pr.solve(pr.Problem(f), pr.SIRT(), stop=pr.Stop(iterations=3)).x
    g = pr.Problem(pr.PoissonLikelihood(blurs[0], counts))
    yield lambda: pr.solve(g, pr.RichardsonLucy(), stop=pr.Stop(iterations=3)).x

def result(i):
    return list(works())[i]()

expected = [work() for work in works()]
def same(i):
    return np.array_equal(result(i), expected[i])
every = range(len(expected))
"""

POOL = """
with multiprocessing.get_context("fork").Pool(2) as pool:
    print(all(pool.map_async(same, every).get(timeout=50)), len(expected))
"""

FORK = """
child = os.fork()
if not child:
    os._exit(0 if all(map(same, every)) else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, len(expected))
"""

GRANDCHILD = """
if not os.fork():
    if not os.fork():
        print(all(map(same, every)), len(expected), flush=True)
        os._exit(0)
    os.wait()
    os._exit(0)
os.wait()
"""

# a kernel of a new type is compiled in the child
COMPILED = """
if not os.fork():
    double = projector.T @ y.astype(float)
    print(np.allclose(double, projector.T @ y, rtol=1e-4), len(expected), flush=True)
    os._exit(0)
os.wait()
"""

THREADS = """
sys.setswitchinterval(1e-6)
with ThreadPoolExecutor(4) as threads:
    print(all(threads.map(same, [i for _ in range(30) for i in every])), len(expected))
"""

# The very first launches come from several threads.
FIRST = """
import threading
from concurrent.futures import ThreadPoolExecutor
import numpy as np
import physrecon as pr

x = np.arange(40000, dtype=np.float32).reshape(200, 200)
begin = threading.Barrier(4)
def result(_):
    begin.wait()
    for _ in range(200):
        y = pr.Gradient(x.shape) @ x
    return y
with ThreadPoolExecutor(4) as threads:
    first, *others = threads.map(result, range(4))
print(all(np.array_equal(first, other) for other in others), len(first))
"""

layers = pytest.mark.parametrize("layer", ["omp", "workqueue"])


def printed(code: str, layer: str) -> list[str]:
    settings = {"NUMBA_THREADING_LAYER": layer, "NUMBA_NUM_THREADS": "4"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=250,
    )
    if "No threading layer could be loaded" in done.stderr:
        pytest.skip(f"no {layer} here")
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout.split()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork there")
@pytest.mark.parametrize("code", [POOL, FORK, GRANDCHILD, COMPILED])
@layers
def test_a_forked_child_computes_the_same_numbers(code, layer):
    assert printed(SETUP + code, layer) == ["True", "10"]


@layers
def test_threads_of_python_share_operators(layer):
    assert printed(SETUP + THREADS, layer) == ["True", "10"]


@layers
def test_threads_of_python_may_be_the_first_to_launch(layer):
    assert printed(FIRST, layer) == ["True", "2"]


@pytest.mark.parametrize("chosen", ["", "active"])
def test_waiting_threads_sleep_unless_the_user_wants_them_to_spin(chosen):
    """GNU OpenMP prints how often a waiting thread looks, as it has read its settings."""
    code = "from physrecon.pipeline.preflight import use_threads; use_threads(None)"
    env = {name: text for name, text in os.environ.items() if name != "OMP_WAIT_POLICY"}
    env |= {"NUMBA_THREADING_LAYER": "omp", "OMP_DISPLAY_ENV": "verbose"}
    env |= {"OMP_WAIT_POLICY": chosen} if chosen else {}
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, env=env, capture_output=True, text=True, timeout=100)
    spins = re.search(r"GOMP_SPINCOUNT = '(\d+)'", done.stderr)
    if not spins:
        pytest.skip("no GNU OpenMP here")
    assert (int(spins[1]) > 0) == bool(chosen)
