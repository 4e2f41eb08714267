"""The same job on its finished output is done already; another job or input is refused."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from discs import write_scan

from physrecon.cli.main import main
from physrecon.io import write_image
from physrecon.io.made import texts_of

FORMATS = {
    "hdf5": ["-o", "v.h5"],
    "slabs": ["-o", "v.h5", "--slab-rows", "1"],
    "tiff": ["-o", "v.tif"],
    "ome": ["-o", "v.ome.tif", "--slab-rows", "2"],
    "slices": ["-o", "v", "--format", "tiff"],
    "mrc": ["-o", "v.mrc"],
}


def state_of(path: Path) -> dict[str, int]:
    files = [path, *path.rglob("*")] if path.is_dir() else [path]
    return {str(file): file.stat().st_mtime_ns for file in files}


@pytest.mark.parametrize("name", FORMATS)
def test_a_reconstruction_is_done_once(name, here, capsys):
    write_scan("scan.h5")
    argv = ["recon", "scan.h5", *FORMATS[name]]
    assert main(argv) == 0
    out = Path(argv[3])
    before = state_of(out)
    capsys.readouterr()
    assert main([*argv, "--threads", "1"]) == 0  # which does not change the result
    assert "done already" in capsys.readouterr().out and state_of(out) == before
    assert main([*argv, "--filter", "hann"]) == 73
    assert main([*argv, "--center", "22.3"]) == 73
    os.utime("scan.h5", ns=(1, 1))
    assert main(argv) == 73
    assert state_of(out) == before
    assert main([*argv, "--overwrite"]) == 0
    assert state_of(out) != before
    assert main(argv) == 0


@pytest.mark.parametrize("output", ["o.tif", "o.ome.tif", "o.h5"])
@pytest.mark.parametrize("axes", ["YX", "TYX"])
def test_an_image_is_done_once(output, axes, here, capsys):
    shape = (2, 24, 24)[-len(axes) :]
    write_image("i.tif", np.random.default_rng(0).poisson(50, shape).astype("u2"), axes)
    argv = ["deconvolve", "i.tif", "--psf", "gaussian:sigma=1", "--iterations", "2", "-o", output]
    assert main(argv) == 0
    texts = texts_of(output)
    assert (
        len(texts["asked"]) == 64 and "stopped" in texts and 'kind = "deconvolve"' in texts["job"]
    )
    capsys.readouterr()
    assert main(argv) == 0
    assert "done already" in capsys.readouterr().out
    assert main([*argv, "--background", "3"]) == 73


def test_a_result_that_lacks_a_slab_is_not_done(here, capsys):
    write_scan("scan.h5")
    argv = ["recon", "scan.h5", *FORMATS["slabs"], "--center", "22.3"]
    assert main(argv) == 0
    os.remove("v.h5.slabs/00001.h5")
    assert main(argv) == 73


def test_a_result_of_another_version_is_not_done(here, monkeypatch):
    from physrecon.pipeline import provenance

    write_scan("scan.h5")
    argv = ["recon", "scan.h5", *FORMATS["hdf5"], "--center", "22.3"]
    assert main(argv) == 0
    monkeypatch.setattr(provenance, "version", lambda name: "9.9")
    assert main(argv) == 73
