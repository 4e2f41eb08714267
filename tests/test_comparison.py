"""PSNR and SSIM, against their formulas and scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

import physrecon as pr
from physrecon.errors import ArgumentError

RNG = np.random.default_rng(2)
TRUTH = pr.datasets.shepp_logan((3, 40, 48)).astype(np.float64)
NOISY = TRUTH + 0.1 * RNG.standard_normal(TRUTH.shape)


def test_figures_are_those_of_scikit_image():
    span = np.ptp(TRUTH)
    found = pr.compare(NOISY, 0.9 * TRUTH, TRUTH, names=("noisy", "darker"))
    for name, image in {"noisy": NOISY, "darker": 0.9 * TRUTH}.items():
        assert found.psnr[name] == pytest.approx(
            peak_signal_noise_ratio(TRUTH, image, data_range=span)
        )
        each = [
            structural_similarity(t, i, data_range=span) for t, i in zip(TRUTH, image, strict=True)
        ]
        assert found.ssim[name] == pytest.approx(np.mean(each))
    assert found.error["darker"] == pytest.approx(0.1)
    assert list(found.profile()["truth"]) == list(TRUTH[1, 20])
    assert found.profile(axis=0)["noisy"].shape == (3,)


def test_without_a_truth_the_first_is_the_measure():
    found = pr.compare(TRUTH, NOISY)
    assert found.measure == "a" and [*found.psnr] == ["b"]
    assert found.psnr["b"] == pytest.approx(
        peak_signal_noise_ratio(TRUTH, NOISY, data_range=np.ptp(TRUTH))
    )
    same = pr.compare(TRUTH, TRUTH)
    assert same.error["b"] == 0 and same.psnr["b"] == np.inf and same.ssim["b"] == 1


def test_a_scale_of_all_images_changes_nothing():
    one, other = (pr.compare(s * NOISY, s * TRUTH * 0.9, s * TRUTH) for s in (1, 1e-20))
    for name in ("error", "psnr", "ssim"):
        assert getattr(one, name) == pytest.approx(getattr(other, name))


def test_it_is_drawn(tmp_path):
    pr.compare(NOISY, TRUTH, TRUTH).plot(tmp_path / "c.png")
    assert (tmp_path / "c.png").read_bytes()[1:4] == b"PNG"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pr.compare(TRUTH, TRUTH[:, :-1]), "of one shape, got a .* b"),
        (lambda: pr.compare(TRUTH, np.full(TRUTH.shape, np.nan)), r"compare\.b: expected finite"),
        (lambda: pr.compare(TRUTH[0, 0], TRUTH[0, 0]), "two axes"),
        (lambda: pr.compare(TRUTH + 1j, TRUTH), "real numbers"),
        (lambda: pr.compare(TRUTH, TRUTH, TRUTH, names=("truth", "b")), "names"),
        (lambda: pr.compare("x", TRUTH), "two axes|real"),
    ],
)
def test_what_cannot_be_compared(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()
