"""L1 norms against soft thresholding."""

from __future__ import annotations

import numpy as np
import pytest
import pywt
from naive import soft
from zoo.priors import STEP, prox, with_zeros

import physrecon as pr
from physrecon.errors import ArgumentError


def test_l1_shrinks():
    x = with_zeros()
    np.testing.assert_allclose(prox(pr.L1(0.6), x), soft(x, 0.42), atol=1e-15)
    assert (prox(pr.L1(0.6), x)[abs(x) <= 0.42] == 0).all()


def test_l1_knows_only_constraints_with_bounds():
    class Ball:
        bounds = None

        def project(self, x):
            x /= max(1, np.linalg.norm(x))
            return x

    with pytest.raises(ArgumentError, match="PDHG or ADMM"):
        pr.L1(1).prox(with_zeros(), 1, Ball())


@pytest.mark.filterwarnings("ignore:Level value")  # periodic filters have no boundary effects
@pytest.mark.parametrize(("wavelet", "axes"), [("haar", (1, 2)), ("db2", None), ("sym4", (-1,))])
def test_wavelet_l1_shrinks_the_details(wavelet, axes):
    x, prior = with_zeros((4, 8, 12)), pr.WaveletL1(0.6, wavelet, 2, axes)
    options = {"wavelet": wavelet, "mode": "periodization", "axes": axes}
    coarse, *levels = pywt.wavedecn(x, level=2, **options)
    total = sum(abs(d).sum() for level in levels for d in level.values())
    assert prior.value(x) == pytest.approx(0.6 * total, rel=1e-12)
    shrunk = [{name: soft(d, 0.6 * STEP) for name, d in level.items()} for level in levels]
    expected = pywt.waverecn([coarse, *shrunk], **options)
    np.testing.assert_allclose(prox(prior, x), expected, atol=1e-12)


def test_wavelet_l1_with_a_border_is_split():
    """Sides that are no multiples of 2^levels: the prox is refused, the split goes on."""
    x, prior = with_zeros((3, 5, 7)), pr.WaveletL1(0.6, "db2", 2)
    with pytest.raises(ArgumentError, match=r"multiples of 4, got \(3, 5, 7\).*PDHG"):
        prior.prox(x, 1.0)
    wide = np.zeros((4, 8, 8))
    wide[:3, :5, :7] = x
    assert prior.value(x) == pytest.approx(prior.value(wide), rel=1e-12)
    assert prior.couples(0, x.shape) and not pr.WaveletL1(1, axes=(1, 2)).couples(0, x.shape)
    z = with_zeros((4, 8, 8))
    q = prior.conjugate_prox(z.copy(), 1.0)
    assert (q[:1, :2, :2] == 0).all()
    np.testing.assert_array_equal(q[1:], z[1:].clip(-0.6, 0.6))


@pytest.mark.parametrize(
    "settings", [("no",), ("bior2.2",), ("db4", 0), ("db4", None), ("db4", 1, "z"), ("db4", 1, ())]
)
def test_wavelet_l1_refuses_nonsense(settings):
    with pytest.raises(ArgumentError, match="expected"):
        pr.WaveletL1(1, *settings)
