"""A limit on the size of files, as quotas have: an error that is told, and no file that is torn."""

from __future__ import annotations

import subprocess
import sys

import pytest

WRITE = """
import resource, sys
import numpy as np
from physrecon.errors import WriteError
from physrecon.io import write_image
name, limit = sys.argv[1], int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    write_image(name, np.ones((64, 64), np.float32), "YX", 0.1, "um")
except WriteError as problem:
    sys.exit(problem.exit_code)
"""


@pytest.mark.parametrize("limit", [0, 500, 3000, 10000, 16500])
@pytest.mark.parametrize("name", ["o.h5", "o.tif"])
def test_a_file_larger_than_its_limit_is_an_error_and_no_crash(name, limit, here):
    pytest.importorskip("resource")
    ended = subprocess.run([sys.executable, "-c", WRITE, name, str(limit)], capture_output=True)
    assert ended.returncode in (0, 74), ended.stderr
    left = [path.name for path in here.iterdir() if not path.name.endswith(".lock")]
    assert left == ([name] if ended.returncode == 0 else [])
    assert ended.returncode == 74 or limit > 10000
