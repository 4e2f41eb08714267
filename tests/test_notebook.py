"""What a notebook shows: five lines and a thumbnail, never the elements of an array."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

import physrecon as pr
from physrecon.notebook import thumbnail

SCAN = pr.ParallelBeam(np.arange(181.0), (1, 16), angle_unit="deg", pixel_size=0.5)
A = pr.Projector(SCAN)
Y = np.ones(A.out_shape, np.float32)
PROBLEM = pr.Problem(pr.LeastSquares(A, Y), pr.TV(0.1), pr.NonNegative())


def stored(folder):
    truth = np.ones((2, 16, 16), np.float32)
    pr.datasets.simulate_scan(folder / "scan.h5", (2, 16, 16), views=12)
    pr.write_image(folder / "stack.tif", truth, "ZYX", (0.3, 0.1, 0.1), "um")
    pr.write_image(folder / "stack.h5", truth, "ZYX", (0.3, 0.1, 0.1), "um")
    import h5py

    with h5py.File(folder / "volume.h5", "w") as file:
        file["data"] = truth
    scan = pr.open_scan(folder / "scan.h5")
    volume = pr.open_volume(folder / "volume.h5")
    return [scan, scan.projections, volume, pr.open_image(folder / "stack.tif")]


def plain():
    result = pr.solve(PROBLEM, pr.PDHG(), stop=pr.Stop(iterations=2))
    numbers = np.random.default_rng(0).standard_normal((30, 1, 40))
    return [
        SCAN, SCAN.default_grid(), A, A.T, 2 * A, PROBLEM, PROBLEM.f, result, result.state,
        pr.check_model(numbers, ("view", "row", "column")),
        pr.compare(numbers, 2 * numbers), pr.as_operator(numbers[:, 0]), pr.Stop(), pr.GD(),
        pr.Tikhonov(0.1, pr.Gradient),
    ]  # fmt: skip


def assert_short(thing):
    text = repr(thing)
    assert len(text.splitlines()) <= 5 and len(text) < 600, text
    assert " at 0x" not in text and "array(" not in text, text
    return text


def test_texts_are_short(tmp_path):
    for thing in [*plain(), *stored(tmp_path)]:
        assert_short(thing)


def test_texts_say_what_matters(tmp_path):
    assert repr(SCAN).splitlines() == [
        "ParallelBeam: 181 views from 0 to 180 deg",
        "  detector: 1 rows × 16 columns of 0.5 × 0.5",
        "  axis of rotation: column 7.5",
    ]
    scan, _, volume, image = stored(tmp_path)
    assert "12 views over 180°" in repr(scan) and "pixels of 0.01 × 0.01 mm" in repr(scan)
    assert repr(volume) == "Volume volume.h5: (2, 16, 16) float32, voxels of 1 × 1 × 1 pixel"
    assert "ZYX (2, 16, 16)" in repr(image) and "0.3 × 0.1 × 0.1 µm" in repr(image)


def picture_of(thing):
    html = thing._repr_html_()
    assert repr(thing).splitlines()[0].split(" ")[0] in html
    found = re.search(r"data:image/png;base64,([^']+)'", html)
    return Image.open(io.BytesIO(base64.b64decode(found[1]))) if found else None


def test_thumbnails_are_there(tmp_path):
    result = pr.solve(PROBLEM, pr.PDHG(), stop=pr.Stop(iterations=2))
    for thing in [*stored(tmp_path), result, PROBLEM, pr.compare(Y, 2 * Y)]:
        assert picture_of(thing) is not None and max(picture_of(thing).size) == 192


def test_a_closed_file_is_still_described(tmp_path):
    for thing in stored(tmp_path):
        if hasattr(thing, "close"):
            thing.close()
            assert_short(thing)
            thing._repr_html_()


@pytest.mark.parametrize("shape", [(3, 5), (900, 700), (4, 6, 8), (2, 3, 1, 500)])
def test_a_thumbnail_shows_the_middle_plane(shape):
    values = np.zeros(shape)
    plane = values.reshape(-1, *shape[-2:])[values.reshape(-1, *shape[-2:]).shape[0] // 2]
    plane[:, : shape[-1] // 2] = 1
    picture = np.asarray(Image.open(io.BytesIO(thumbnail(values))))
    assert picture[0, 0] == 255 and picture[-1, -1] == 0 and max(picture.shape) == 192


def test_values_that_are_not_finite_do_not_disturb():
    values = np.full((4, 4), np.nan)
    assert len(thumbnail(values)) > 50
    values[0, 0] = np.inf
    values[1:] = 3
    assert len(thumbnail(values)) > 50


def test_a_result_says_how_it_went(tmp_path):
    result = pr.solve(PROBLEM, pr.PDHG(), stop=pr.Stop(iterations=4))
    assert result.residual == pytest.approx(A @ result.x - Y)
    summary = result.summary()
    assert result.reason in summary and "TotalVariation(weight=0.1" in summary
    norm = float(re.search(r"y\)‖ = (\S+)", summary)[1])
    assert norm == pytest.approx(np.linalg.norm(result.residual), rel=1e-3)
    figure = result.plot(tmp_path / "result.png")
    assert (tmp_path / "result.png").read_bytes()[1:4] == b"PNG"
    assert figure._repr_png_()[1:4] == b"PNG"
    pr.solve(PROBLEM, pr.PDHG(), stop=pr.Stop(iterations=0)).plot(tmp_path / "none.png")


def test_the_residual_of_counts_is_that_of_their_expectation():
    counts = np.array([3.0, 5.0])
    f = pr.PoissonLikelihood(pr.Identity(2), counts, background=1.0)
    x = np.array([1.0, 2.0])
    problem = pr.Problem(f, constraint=pr.NonNegative())
    result = pr.solve(problem, pr.MLEM(), x, pr.Stop(iterations=0))
    np.testing.assert_allclose(result.residual, x + 1 - counts)
    np.testing.assert_array_equal(result.x, x)
