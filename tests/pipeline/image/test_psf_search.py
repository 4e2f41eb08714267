"""Parameters of a PSF that are found from a blurred, noisy scene of opaque discs, whose true blur
is known."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data
from tiers import thorough

import physrecon as pr
from physrecon.jobs.image_job import ImageJob
from physrecon.pipeline.image.psf_search import found_parameters
from physrecon.pipeline.messages import Messages
from physrecon.pipeline.run import open_task, run


def write_scene(model: str, **given) -> None:
    rng, n = np.random.default_rng(5), 500
    x, (rows, columns) = np.full((n, n), 0.5), np.mgrid[:n, :n]
    for _ in range(2500):
        radius = min(6 * rng.random() ** -0.6, 100)
        y, z = rng.uniform(0, n, 2)
        x[(rows - y) ** 2 + (columns - z) ** 2 < radius**2] = rng.random()
    x = 1000 * (0.05 + x.reshape(n // 2, 2, n // 2, 2).mean((1, 3)))
    y = pr.Blur(getattr(pr.psf, model)((31, 31), **given), (220, 220), "unknown") @ x
    counts = np.random.default_rng(6).poisson(y).astype("f4")
    pr.write_image("i.tif", counts, "YX", 0.5, "um", overwrite=True)


def job(psf: str, **fields) -> ImageJob:
    values = {"input": "i.tif", "output": "o.tif", "psf": psf, "stop": {"iterations": 2}}
    return ImageJob.build({**values, **fields}, "test")


def found(psf: str) -> dict[str, float]:
    with open_task(job(psf)) as task:
        pairs = (pair.split("=") for pair in task.job.psf.partition(":")[2].split(","))
        return {key: float(value) for key, value in pairs if key != "angle_unit"}


@pytest.mark.parametrize(
    "psf, given",
    [
        ("gaussian:sigma=auto", {"sigma": 2.5}),
        thorough("defocus:radius=auto", {"radius": 5.0}),
    ],
)
def test_a_width_is_found(psf, given, here):
    write_scene(psf.partition(":")[0], **given)
    ((key, value),) = found(psf).items()
    assert value == pytest.approx(given[key] / 2, rel=0.1)  # voxels of 0.5 um


def test_the_run_says_and_keeps_what_was_found(here, capsys):
    write_scene("defocus", radius=5.0)
    run(job("defocus:radius=auto"), Messages())
    printed = capsys.readouterr().out
    assert "psf: radius 2." in printed and " ± " in printed
    with pr.open_image("o.tif") as image:
        assert image.frame_shape == (220, 220)


def test_a_given_parameter_stays(here):
    write_scene("motion", length=12.0, angle=30.0, angle_unit="deg")
    got = found("motion:length=auto,angle=30,angle_unit=deg")
    assert got["length"] == pytest.approx(6, rel=0.1) and got["angle"] == 30


def test_what_cannot_be_found_is_refused(here):
    write_scene("gaussian", sigma=2.0)
    for psf in ("airy:wavelength=auto,na=1", "moffat:fwhm=auto,beta=3"):
        with pytest.raises(pr.ArgumentError, match="expected auto for gaussian"):
            found(psf)


def blurred(photo: np.ndarray, corner: int, psf: np.ndarray) -> np.ndarray:
    """A part of a photograph at half its size, 128 pixels wide when blurred, with 600 counts."""
    high, wide = (n // 2 for n in photo.shape)
    x = photo[: 2 * high, : 2 * wide].astype(float).reshape(high, 2, wide, 2).mean((1, 3))
    n = 128 + len(psf) - 1
    x = np.ascontiguousarray(x[corner : corner + n, corner : corner + n])
    y = pr.Blur(psf, (128, 128), "unknown") @ (x - x.min() + 1)
    return np.random.default_rng(1).poisson(600 * y / y.mean()).astype(float)


def test_a_scene_is_not_taken_for_soft_because_noise_hides_the_zeros_of_a_disc():
    y = blurred(data.moon(), 0, pr.psf.defocus((15, 15), 5.5))
    assert found_parameters("defocus", y, ["radius"], {})[0]["radius"] == pytest.approx(
        5.5, rel=0.1
    )


def test_directions_of_a_scene_do_not_turn_a_motion():
    y = blurred(data.cell(), 50, pr.psf.motion((17, 17), 13.0, 38.0, angle_unit="deg"))
    found, _ = found_parameters("motion", y, ["angle"], {"length": 13.0})
    assert found["angle"] == pytest.approx(38, abs=3)
