"""A disk that fills, at any byte: an ordinary error, and a process that ends as it should."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.thorough

# HDF5 flushes what it still holds open when the interpreter has gone; a crash shows in the code.
FILL = """
import resource
import sys
from pathlib import Path

import numpy as np

import physrecon as pr
from physrecon.errors import WriteError
from physrecon.io.output.image_sink import ImageSink

image = np.ones((2, 40, 40), np.float32)


def frame(path):
    with ImageSink(path, (3, 40, 40), "TYX", [(0,), (1,), (2,)], (1, 1), None, "", True) as sink:
        for number in range(3):
            sink.write(number, image[0])
        sink.finish_if_complete()


def state(path):
    problem = pr.Problem(pr.LeastSquares(pr.Identity((2, 40, 40)), image))
    pr.save_state(path, next(pr.iterate(problem, pr.Landweber())))


write = {
    "image": lambda path: pr.write_image(path, image, "ZYX", overwrite=True),
    "frame": frame,
    "state": state,
    "scan": lambda path: pr.datasets.simulate_scan(path, (2, 16, 16), 8),
}[sys.argv[2]]
errors = 0
for most in [*range(0, 20_000, 400), 10**9]:
    path = Path(f"{sys.argv[1]}/{most}.h5")
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
    try:
        write(path)
    except WriteError:
        errors += 1
        assert not path.exists()
    else:
        assert path.exists()
print(errors)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limits there")
@pytest.mark.parametrize("what", ["image", "frame", "state", "scan"])
def test_a_full_disk_is_an_error_and_no_crash(tmp_path, what):
    command = [sys.executable, "-c", FILL, str(tmp_path), what]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) >= 20
