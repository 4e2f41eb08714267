"""Arrays on the disk: they behave as arrays, bring forth their like, and give memory back."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

import physrecon as pr
from physrecon import arrays
from physrecon.arrays import on_disk as arrays_on_disk
from physrecon.errors import WriteError

LARGE = (3, 400, 400)  # 1.9 MB in float32


def test_it_is_zeros_that_can_be_written_and_leaves_no_file(tmp_path):
    a = arrays_on_disk.mapped(LARGE, np.float32, tmp_path)
    assert a.shape == LARGE and a.dtype == np.float32 and a.flags["C_CONTIGUOUS"]
    assert not a.any()
    a[1] = 7
    assert a.sum() == 7 * 400 * 400
    assert not list(tmp_path.iterdir())


def test_what_is_made_beside_it_lies_on_the_disk_if_it_is_large(tmp_path):
    a = arrays_on_disk.mapped(LARGE, np.float32, tmp_path)
    folder = str(tmp_path)
    assert arrays_on_disk.folder_of(a) == arrays_on_disk.folder_of(a[1:].reshape(-1)) == folder
    assert arrays_on_disk.folder_of(arrays.like(a, dtype=np.float64)) == folder
    assert arrays_on_disk.folder_of(arrays.like(a, (3, 3))) is None
    assert arrays_on_disk.folder_of(arrays.like(a, in_memory=True)) is None
    assert arrays_on_disk.folder_of(a + 1) is None
    assert arrays_on_disk.folder_of(np.zeros(LARGE)) is None


def test_a_full_disk_is_an_error_before_anything_is_computed(tmp_path):
    with pytest.raises(WriteError, match="expected room for"):
        arrays_on_disk.mapped((1 << 50,), np.float64, tmp_path)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system does not tell")
def test_pages_are_given_back_and_keep_their_values(tmp_path):
    def resident():
        return int(Path("/proc/self/statm").read_text().split()[2]) * 4096

    before = resident()
    a = arrays_on_disk.mapped((40 << 20,), np.uint8, tmp_path)
    with arrays_on_disk.resident_limit(4 << 20):
        a[:] = 3
        deadline = time.monotonic() + 5
        while resident() - before > 8 << 20 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert resident() - before <= 8 << 20
    assert (a == 3).all()


def test_a_solver_on_the_disk_gives_the_same_bits(tmp_path):
    """Tiled blur, counts, MLEM: all that is as large as the data lies on the disk with them."""
    rng = np.random.default_rng(0)
    psf = rng.uniform(0, 1, (3, 5, 5))
    y = rng.poisson(20, (9, 200, 200)).astype(np.float32)
    B = pr.Blur(psf, y.shape, "unknown", normalize=True, memory=1 << 20)
    on_disk = arrays_on_disk.mapped(y.shape, y.dtype, tmp_path)
    on_disk[...] = y
    results = [
        pr.solve(
            pr.Problem(pr.PoissonLikelihood(B, data, 1.0)), pr.MLEM(), stop=pr.Stop(iterations=3)
        )
        for data in (y, on_disk)
    ]
    assert arrays_on_disk.folder_of(results[1].x) == str(tmp_path)
    np.testing.assert_array_equal(results[0].x, results[1].x)
