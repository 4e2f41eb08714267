"""PSFs larger than the image: what reaches no voxel of it is cropped, and changes nothing.

The right values are those of dense algebra with the whole PSF."""

from __future__ import annotations

import numpy as np
import pytest
from blurred_images import blurred, command, make, read, scene
from naive import blur_matrix

from physrecon.io import open_image, write_image
from physrecon.pipeline.image.footprint import make_blur
from physrecon.pipeline.image.psf import read_psf
from physrecon.psf import gaussian

RANDOM = np.random.default_rng(3)


def job_psf(psf, shape, **fields):
    """The PSF that a job takes from a file, for an image of `shape`, and its blur."""
    write_image("i.tif", RANDOM.random(shape).astype(np.float32), "ZYX"[-len(shape) :])
    write_image("p.tif", psf, "ZYX"[-len(shape) :])
    job = make(**fields)
    with open_image("i.tif") as image:
        found = read_psf(job, image)
    return found, make_blur(job, shape, found)


CASES = [
    ((4, 6, 5), (11, 7, 5), None),  # more planes
    ((3, 4, 4), (9, 9, 12), None),  # more of all, one even
    ((5, 6), (15, 4), [3, 1]),  # off the middle
    ((4, 5), (12, 14), [11, 13]),  # in the corner
    ((2, 5, 6), (7, 3, 3), None),  # two planes
]


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("shape, size, center", CASES)
def test_a_cropped_psf_is_the_same_blur_with_the_boundary_zero(
    shape, size, center, normalize, here
):
    psf = RANDOM.random(size).astype(np.float32).astype(np.float64)
    at = center or [n // 2 for n in size]
    fields = {"boundary": "zero", "normalize": normalize, "psf_center": at, "accuracy": 1e-12}
    found, A = job_psf(psf, shape, **fields)
    assert all(k <= 2 * n - 1 for k, n in zip(found.values.shape, shape, strict=True))
    assert any("cropped from" in line for line in found.lines)
    dense = blur_matrix(psf / psf.sum() if normalize else psf, shape, "zero", at)
    x = RANDOM.random(shape)
    np.testing.assert_allclose((A @ x).ravel(), dense @ x.ravel(), rtol=1e-10)
    np.testing.assert_allclose(A.adjoint(x).ravel(), dense.T @ x.ravel(), rtol=1e-10)


@pytest.mark.parametrize("boundary", ["reflect", "periodic"])
def test_all_of_a_psf_counts_where_the_boundary_brings_light_back(boundary, here):
    shape, psf = (4, 5), RANDOM.random((13, 7)).astype(np.float32).astype(np.float64)
    found, A = job_psf(psf, shape, boundary=boundary, psf_center=[6, 3])
    assert found.values.shape == psf.shape
    assert any(f"counts with the boundary {boundary}" in line for line in found.lines)
    dense = blur_matrix(psf / psf.sum(), shape, boundary)
    x = RANDOM.random(shape)
    np.testing.assert_allclose((A @ x).ravel(), dense @ x.ravel(), rtol=1e-6)


def test_an_unknown_boundary_is_cut_to_the_length_of_the_image_on_each_side(here):
    """Objects within n − 1 voxels of the frame send it what the whole PSF says they do."""
    shape, psf = (3, 4), RANDOM.random((15, 5)).astype(np.float32).astype(np.float64)
    found, A = job_psf(psf, shape, psf_center=[7, 2])
    assert A.in_shape == (7, 8) and found.values.shape == (5, 5)
    dense = blur_matrix(psf / psf.sum(), shape, "unknown").reshape(*shape, 17, 8)
    inner = dense[:, :, 7 - 2 : 7 + 3 + 2]  # the frame begins at 7
    x = RANDOM.random(A.in_shape)
    reach = abs(np.arange(3)[:, None] - (np.arange(7) - 2)) <= 2  # (row of y, row of x)
    inner = inner * reach[:, None, :, None]
    np.testing.assert_allclose(A @ x, np.tensordot(inner, x, 2), rtol=1e-6)


def test_the_share_of_light_that_is_cropped_is_told(here, capsys):
    stack = blurred(scene((5, 40, 40)), gaussian((5, 9, 9), (2.0, 1.3, 1.3)))
    write_image("i.tif", stack, "ZYX")
    psf = gaussian((65, 9, 9), (2.0, 1.3, 1.3))
    write_image("p.tif", psf, "ZYX")
    few = ("--iterations", "3", "--overwrite")
    assert command(*few) == 0
    said = capsys.readouterr()
    lost = 1 - psf[28:37].sum() / psf.sum()
    assert "cropped from (65, 9, 9) to (9, 9, 9)" in said.out and f"{lost:.2g} of its" in said.out
    cropped = read("o.tif")
    assert command(*few, "--oversize") == 0
    assert np.linalg.norm(read("o.tif") - cropped) < 0.05 * np.linalg.norm(cropped)

    write_image("p.tif", np.tile(psf[32], (65, 1, 1)), "ZYX", overwrite=True)
    assert command(*few) == 0
    said = capsys.readouterr().err
    assert "0.86 of its light" in said and "--oversize" in said


def test_with_the_boundary_zero_the_result_is_that_of_the_whole_psf(here):
    write_image("i.tif", blurred(scene((4, 30, 30)), gaussian((7, 9, 9), 1.3)), "ZYX")
    write_image("p.tif", gaussian((15, 9, 9), 1.3), "ZYX")
    few = ("--iterations", "4", "--boundary", "zero", "--overwrite")
    results = []
    for option in ([], ["--oversize"]):
        assert command(*few, *option) == 0
        results.append(read("o.tif"))
    np.testing.assert_allclose(*results, rtol=1e-4)


def test_another_rest_of_a_psf_makes_another_job(here):
    """The sum of the whole divides the part: it belongs to the fingerprint."""
    from physrecon.pipeline.image.task import ImageTask

    write_image("i.tif", blurred(scene((4, 30, 30)), gaussian((7, 9, 9), 1.3)), "ZYX")
    psf, identities = gaussian((15, 9, 9), 1.3), set()
    for rest in (1.0, 2.0):
        write_image("p.tif", np.where(np.arange(15)[:, None, None] < 2, rest, 1) * psf, "ZYX",
                    overwrite=True)  # fmt: skip
        with ImageTask.open(make()) as task:
            identities.add(task.identity())
    assert len(identities) == 2
