"""Fan-beam scans of the Helsinki Tomography Challenge."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from scipy import io

import physrecon as pr
from physrecon.errors import ArgumentError, DataError
from physrecon.io import open_scan

SINOGRAM = np.arange(35.0).reshape(5, 7) / 10
PARAMETERS = {
    "angles": np.arange(5) * 0.5, "distanceSourceOrigin": 410.66, "distanceUnit": "mm",
    "distanceSourceDetector": 553.74, "pixelSizePost": 0.2, "voltage": "45", "voltageUnit": "kV",
}  # fmt: skip


def written(path, **changes):
    """A struct as MATLAB writes it, in v5 or, where the name says so, in v7.3."""
    parameters = {k: v for k, v in (PARAMETERS | changes).items() if v is not None}
    if "v73" not in path.name:
        io.savemat(path, {"CtDataFull": {"sinogram": SINOGRAM, "parameters": parameters}})
        return path
    with h5py.File(path, "w", userblock_size=512) as file:
        group = file.create_group("CtDataFull")
        group["sinogram"] = SINOGRAM.T
        for name, value in parameters.items():
            text = isinstance(value, str)
            stored = np.array([[ord(c)] for c in value], np.uint16) if text else value
            data = group.create_dataset(f"parameters/{name}", data=np.atleast_2d(stored))
            data.attrs["MATLAB_class"] = np.bytes_("char" if text else "double")
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM")
    return path


@pytest.mark.parametrize("name", ["v5.mat", "v73.mat"])
def test_the_struct_states_the_whole_scan(tmp_path, name):
    with open_scan(written(tmp_path / name)) as scan:
        np.testing.assert_allclose(scan.projections[:, 0], SINOGRAM, rtol=1e-6)
        assert scan.line_integrals and (scan.angle_unit, scan.length_unit) == ("deg", "mm")
        found = scan.geometry
        said = "\n".join(scan.notes)
    expected = pr.FanBeam(
        PARAMETERS["angles"], (1, 7), angle_unit="deg", pixel_size=0.2, source_origin=410.66,
        source_detector=553.74,
    )  # fmt: skip
    assert found == expected
    assert "line integrals" in said and "not used: voltage 45kV" in said
    assert "--line-integrals" not in said


@pytest.mark.parametrize("changes, words", [
    ({"angles": np.arange(4.0)}, "5 angles"),
    ({"distanceSourceOrigin": None}, "distanceSourceOrigin"),
    ({"distanceUnit": None}, "distanceUnit"),
])  # fmt: skip
def test_what_lacks_is_named(tmp_path, changes, words):
    with pytest.raises(DataError, match=words):
        open_scan(written(tmp_path / "v5.mat", **changes))


def test_the_user_cannot_say_that_they_are_transmissions(tmp_path):
    with pytest.raises(ArgumentError, match="line integrals"):
        open_scan(written(tmp_path / "v5.mat"), transmission=True)


@pytest.mark.parametrize("degrees, views", [(30, 61), (60, 121), (90, 181)])
def test_the_measured_files_are_read(shared_data, degrees, views):
    path = shared_data / f"htc2022/tb_subsample_{degrees}.mat"
    if not path.is_file():
        pytest.skip(f"no {path}")
    with open_scan(path) as scan:
        assert scan.shape == (views, 1, 560) and scan.beam_kind == "fan"
        assert scan.geometry.magnification == pytest.approx(1.3484, abs=1e-4)
