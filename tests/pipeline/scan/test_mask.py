"""`--mask circle`: the voxels that all views see stay, bit for bit; the others are 0."""

from __future__ import annotations

import numpy as np
import pytest

import physrecon as pr
from physrecon.cli.main import main
from physrecon.errors import ArgumentError
from physrecon.pipeline.scan.mask import field_of_view


def seen_by_all(columns, center, angles, place):
    """Whether a point (y, x), in columns from the axis, falls on the detector in every view."""
    u = place[1] * np.cos(angles) + place[0] * np.sin(angles) + center
    return bool(((u >= -0.5) & (u <= columns - 0.5)).all())


@pytest.mark.parametrize("center", [15.5, 11.0, 21.25])
def test_the_field_of_view_is_what_every_view_sees(center):
    angles = np.linspace(0, 180, 720, endpoint=False)
    scan = pr.ParallelBeam(angles, (1, 32), angle_unit="deg", pixel_size=0.5, center=center)
    radius = field_of_view(scan) / 0.5
    dice = np.random.default_rng(0)
    for _ in range(50):
        turn = dice.random() * 2 * np.pi
        for r, seen in ((radius - 0.01, True), (radius + 0.5, False)):
            # just outside, a half turn of views loses the point or its opposite
            places = [(s * r * np.sin(turn), s * r * np.cos(turn)) for s in (1, -1)]
            found = [seen_by_all(32, center, np.deg2rad(angles), place) for place in places]
            assert all(found) == seen


def test_opposite_views_of_a_full_turn_complete_each_other():
    angles = np.linspace(0, 360, 200, endpoint=False)
    scan = pr.ParallelBeam(angles, (1, 40), angle_unit="deg", center=6.0)
    assert field_of_view(scan) == 33.5
    with pytest.raises(ArgumentError, match="an axis on the detector"):
        field_of_view(pr.ParallelBeam(angles[:100], (1, 40), angle_unit="deg", center=-3.0))


@pytest.mark.parametrize("method", ["fbp", "sirt --iterations 3"])
def test_the_rest_is_the_same_and_the_mask_is_said(method, here, capsys):
    pr.datasets.simulate_scan("s.h5", (3, 32, 32), views=40, center=14.0)
    options = ["--center", "14", "--method", *method.split()]
    assert main(["recon", "s.h5", "-o", "whole.h5", *options]) == 0
    assert main(["recon", "s.h5", "-o", "disc.h5", *options, "--mask"]) == 0
    assert "mask: 0 beyond" in capsys.readouterr().err
    with pr.open_volume("whole.h5") as whole, pr.open_volume("disc.h5") as disc:
        a, b = whole[:], disc[:]
        at = np.arange(a.shape[1]) - (a.shape[1] - 1) / 2
    inside = np.hypot(at[:, None], at) <= 14.5
    np.testing.assert_array_equal(b[:, inside], a[:, inside])
    assert (b[:, ~inside] == 0).all() and (a[:, ~inside] != 0).any()
