"""Whatever a job writes is known before it begins; nothing that is not its own is written over."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from blurred_images import command, make, read
from interruption import StopAfter
from listing import files

from physrecon.errors import Interrupted, OutputError
from physrecon.io import write_image
from physrecon.pipeline.run import plan, run


def stored(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in files(folder) if Path(name).is_file()}


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize("taken", ["PSF", "image", "link to the image", "folder"])
def test_the_psf_found_never_takes_the_place_of_an_input(taken, overwrite, image, here, capsys):
    options = ["--blind", "--iterations", "2"] + ["--overwrite"] * overwrite
    if taken == "PSF":
        os.rename("p.tif", "o.psf.tif")
        given = {"psf": "o.psf.tif"}
    elif taken == "image":
        os.rename("i.tif", "o.psf.tif")
        given = {"image": "o.psf.tif"}
    else:
        given = {}
        os.symlink("i.tif", "o.psf.tif") if taken != "folder" else os.mkdir("o.psf.tif")
    before = stored(here)
    assert command(*options, **given) == 73
    assert "o.psf.tif: expected" in capsys.readouterr().err
    assert stored(here) == before
    inputs = {{"image": "input"}.get(name, name): path for name, path in given.items()}
    warnings = plan(make(**inputs, blind=True, overwrite=overwrite)).warnings()
    assert any("o.psf.tif: expected" in warning for warning in warnings)


@pytest.mark.parametrize("folder", ["o.tif.frames", "o.tif.slabs"])
def test_an_input_among_the_parts_that_would_go(folder, image, here, capsys):
    """A kept frame, or a slab, of an earlier output is no input for that output."""
    os.mkdir(folder)
    write_image(f"{folder}/00000.h5", read("i.tif"), "YX", 0.1, "um")
    mark = '{"job": "' + 64 * "0" + '", "slabs": [[0, 1], [1, 2]]}'
    Path(folder, "job.json").write_text(mark)
    before = stored(here)
    assert command("--iterations", "2", "--overwrite", image=f"{folder}/00000.h5") == 73
    assert "expected an input that stays" in capsys.readouterr().err
    assert stored(here) == before


def test_a_stopped_blind_series_goes_on_over_its_own_psfs_only(series, here, capsys):
    settings = {"stop": {"iterations": 2}, "blind": True}
    Path("o.psf00005.tif").write_text("of a stranger")
    before = stored(here)
    with pytest.raises(OutputError, match=r"o\.psf00005\.tif: expected a new file"):
        run(make(**settings))
    assert any("o.psf00005.tif" in sentence for sentence in plan(make(**settings)).warnings())
    assert stored(here) == before
    os.remove("o.psf00005.tif")
    with pytest.raises(Interrupted, match="4 of 6 frames are kept"):
        run(make(**settings), StopAfter(4))
    (here / "o.tif.frames/00003.h5").write_bytes(b"damaged")  # its PSF is there
    (warning,) = plan(make(**settings)).warnings()
    assert "4 of 6 frames are there already, kept" in warning
    before = stored(here)
    with pytest.raises(OutputError, match="another job"):
        run(make(stop={"iterations": 3}, blind=True))
    assert stored(here) == before
    run(make(**settings))
    whole = stored(here)
    assert set(whole) == {"i.tif", "p.tif", "o.tif", *(f"o.psf0000{i}.tif" for i in range(6))}
    os.remove("o.tif")
    with pytest.raises(OutputError, match=r"o\.psf00000\.tif: expected a new file"):
        run(make(**settings))
    run(make(**settings, overwrite=True))
    assert stored(here) == whole


def test_a_psf_that_appears_during_the_run_is_kept(series, here):
    class Meanwhile(StopAfter):
        def progress(self, *args, **options):
            Path("o.psf00002.tif").write_text("of a stranger")
            return super().progress(*args, **options)

    with pytest.raises(OutputError, match=r"o\.psf00002\.tif"):
        run(make(stop={"iterations": 2}, blind=True), Meanwhile(99))
    assert Path("o.psf00002.tif").read_text() == "of a stranger"


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize("kind", ["link", "folder", "file"])
def test_a_folder_of_frames_that_is_not_ours_is_refused(kind, overwrite, series, here, capsys):
    folder = here / "o.tif.frames"
    if kind == "file":
        folder.write_text("mine")
    else:
        real = here / "camera" if kind == "link" else folder
        real.mkdir()
        for i in range(6):
            (real / f"0000{i}.h5").write_text(f"frame {i} of a camera")
        if kind == "link":
            folder.symlink_to(real)
    before = stored(here)
    assert command("--iterations", "2", *["--overwrite"] * overwrite) == 73
    err = capsys.readouterr().err
    assert "o.tif.frames: expected" in err and "move it away" in err
    assert stored(here) == before
