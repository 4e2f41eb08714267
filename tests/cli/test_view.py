"""Pictures from the command line."""

from __future__ import annotations

import subprocess
import sys
from shutil import copyfile, rmtree

import h5py
import numpy as np
import pytest
from discs import write_scan
from listing import files
from volume_files import write

from physrecon.cli.main import main
from physrecon.cli.view import _shortened
from physrecon.io.viewed import cut, open_viewed
from physrecon.pictures.convergence import draw_convergence
from physrecon.pictures.panels import panels_png


def test_a_negative_window_is_a_value(scan, here, capsys):
    assert main(["recon", "scan.h5", "-o", "v.h5", "--center", "22.3"]) == 0
    assert main(["view", "v.h5", "--window", "-0.1:0.2", "-o", "v.png"]) == 0
    assert capsys.readouterr().out.endswith("v.png\n")
    assert (here / "v.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture
def volume(here):
    write_scan(here / "scan.h5")
    assert main(["recon", "scan.h5", "-o", "v.h5", "--center", "22.3"]) == 0
    return here / "v.h5"


@pytest.mark.parametrize(
    "name, code", [("p.png", 73), ("v.h5", 64), ("pic.jpg", 64), ("pic.txt", 64), ("pic", 64)]
)
def test_a_picture_takes_no_other_files_place(name, code, volume, here, capsys):
    (here / "p.png").symlink_to(volume)  # the volume under a name that looks right
    whole, before = volume.read_bytes(), files(here)
    assert main(["view", "v.h5", "-o", name, "--overwrite"]) == code
    assert "expected" in capsys.readouterr().err
    assert volume.read_bytes() == whole and files(here) == before


def test_a_raw_scan_is_no_volume_to_look_at(scan, here, capsys):
    before = files(here)
    assert main(["view", "scan.h5"]) == 65
    assert "physrecon recon" in capsys.readouterr().err
    assert files(here) == before


def test_nothing_of_a_picture_is_cut_off(here, capsys):
    from matplotlib.image import imread

    values = np.linspace(0, 1e-4, 3 * 40 * 40).reshape(3, 40, 40)  # wide labels on all sides
    for name, unit in (("a", "mm"), ("b", None)):
        with h5py.File(f"{name}.h5", "w") as file:
            data = file.create_dataset("entry/reconstruction/results/data", data=values)
            data.attrs["voxel_size"] = (1.0, 11.7, 11.7)
            if unit:
                data.attrs["length_unit"] = unit
        for axis in "zyx":
            assert main(["view", f"{name}.h5", "-o", f"{name}{axis}.png", "--axis", axis]) == 0
            pixels = imread(f"{name}{axis}.png")[..., :3]
            for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
                assert (edge == 1).all()


def test_an_unfinished_volume_says_how_many_of_its_slabs_are_there(here, capsys):
    write(here / "v.h5", only=[0, 2])
    assert main(["view", "v.h5"]) == 66
    assert "got 2 of its 3 slabs in v.h5.slabs" in capsys.readouterr().err


def test_the_advice_for_a_volume_without_its_slabs_leads_to_a_volume(here, capsys):
    command = ["recon", "scan.h5", "-o", "v.h5", "--center", "22.3", "--slab-rows", "1"]
    write_scan(here / "scan.h5")
    assert main(command) == 0
    rmtree(here / "v.h5.slabs")
    assert main(["view", "v.h5"]) == 65
    said = capsys.readouterr().err
    option = said.partition("run the job again with ")[2].split(".")[0]
    assert main([*command, option]) == 0 and main(["view", "v.h5"]) == 0


def test_three_cuts_and_a_difference(volume, here, capsys):
    from matplotlib.image import imread

    shapes = []
    for more in (["-o", "one.png"], ["--axis", "all"], ["--compare", "v.h5", "-o", "two.png"]):
        assert main(["view", "v.h5", *more]) == 0
        shapes.append(imread(capsys.readouterr().out.strip()).shape)
    assert (here / "v.all.png").exists()
    assert shapes[1][1] > 2 * shapes[1][0] and shapes[2][1] > 2 * shapes[2][0]


@pytest.mark.parametrize(
    "argv, words",
    [
        (["--axis", "all", "--slice", "1"], ["one axis"]),
        (["--compare", "w.h5"], ["expected a volume of (3, 48, 48), got (2, 48, 48)"]),
    ],
)
def test_what_cannot_be_compared_is_refused(argv, words, volume, here, capsys):
    assert main(["recon", "scan.h5", "-o", "w.h5", "--center", "22.3", "--slices", "0:2"]) == 0
    assert main(["view", "v.h5", *argv]) == 64
    assert all(word in capsys.readouterr().err for word in words)


PICTURES = {
    "view": ["view", "v.h5", "-o", "p.png"],
    "report": ["report", "v.h5", "-o", "p.html"],
    "find-center": ["find-center", "scan.h5", "--plot", "p.png"],
    "try": ["try", "scan.h5", "--vary", "center=22,23", "-o", "p.png"],
    "residuals": ["recon", "scan.h5", "-o", "p.h5", "--center", "22.3", "--residuals"],
}


@pytest.mark.parametrize("name", PICTURES)
def test_no_picture_is_replaced_unless_it_is_asked_for(name, volume, here, capsys):
    argv = PICTURES[name]
    picture = here / {"report": "p.html", "residuals": "p.h5.residuals.png"}.get(name, "p.png")
    picture.write_text("mine")
    assert main(argv) == 73
    said = capsys.readouterr().err
    assert "expected a new file, got one that exists" in said and "--overwrite" in said
    assert picture.read_text() == "mine"
    assert main([*argv, "--overwrite"]) == 0
    # a scan this small is not checked, so it has no residual
    assert not picture.exists() or picture.read_bytes()[:4] in (b"\x89PNG", b"<!do")


def test_a_picture_in_no_folder_is_refused_before_the_search(scan, capsys, monkeypatch):
    from physrecon.pipeline.scan import resolve

    def refuse(*_):
        raise AssertionError("computed")

    monkeypatch.setattr(resolve, "find_axis", refuse)
    assert main(["find-center", "scan.h5", "--plot", "nowhere/p.png"]) == 73
    assert "no folder nowhere" in capsys.readouterr().err


def test_a_figure_is_drawn_once(here, monkeypatch):
    """Its pixels are: the pass that lays it out renders nothing."""
    from matplotlib.backends.backend_agg import RendererAgg

    drawn, update = [], RendererAgg._update_methods

    def counted(renderer):
        update(renderer)
        draw = renderer.draw_image
        renderer.draw_image = lambda *a: (drawn.append(1), draw(*a))

    monkeypatch.setattr(RendererAgg, "_update_methods", counted)
    made, image = [], __import__("matplotlib.image").image.AxesImage
    make = image.make_image
    monkeypatch.setattr(image, "make_image", lambda *a, **k: (made.append(1), make(*a, **k))[1])
    draw_convergence(np.eye(9), np.empty(0), "x", here / "x.png")
    assert len(drawn) == 1 and len(made) == 2


def stored(capsys, *output):
    """The title of the picture of a volume that is stored in 16 bits."""
    argv = ["recon", "scan.h5", "--center", "22.3", "--out-dtype", "uint16", "--overwrite", "-o"]
    assert main([*argv, *output]) == 0


@pytest.mark.parametrize(
    "output", [["v.tif"], ["v.ome.tif"], ["v.mrc"], ["v", "--format", "tiff"], ["v2.h5"]]
)
def test_a_picture_shows_values_and_not_the_numbers_that_store_them(output, volume, here, capsys):
    stored(capsys, *output)
    with open_viewed("v.h5") as exact, open_viewed(output[0]) as found:
        assert found.quantity.startswith("attenuation [1/")
        expected, got = (np.asarray(cut(v, "z", 1)[0]) for v in (exact, found))
    step = np.ptp(expected) / 30000
    assert np.allclose(got, expected, atol=step)


def test_compared_panels_say_which_file_is_which(volume, here, monkeypatch):
    (here / "other").mkdir()
    copyfile("v.h5", "other/v.h5")
    copyfile("v.h5", "w.h5")
    drawn = []
    real = panels_png
    monkeypatch.setattr(
        "physrecon.cli.view.panels_png", lambda p, *a: drawn.append(p) or real(p, *a)
    )
    for other, names in (("w.h5", ("v.h5", "w.h5")), ("other/v.h5", (f"{here.name}/v.h5", None))):
        assert main(["view", "v.h5", "--compare", other, "-o", "c.png", "--overwrite"]) == 0
        titles = [panel.title for panel in drawn.pop()]
        first, second = names[0], names[1] or "other/v.h5"
        first = _shortened(first)
        assert titles == [
            f"{first}\nz = 1", f"{second}\nz = 1", f"{second}\n− {first}\nz = 1",
        ]  # fmt: skip


def test_long_names_are_shortened_in_the_middle():
    name = _shortened("a" * 40 + "b" * 40)
    assert len(name) <= 44 and name.startswith("aaaa") and name.endswith("bbbb") and "…" in name


def test_a_picture_loads_only_what_reads_and_draws_it(volume):
    code = (
        "import sys; from physrecon.cli.main import main; main(['view', 'v.h5']);"
        "print([m for m in ('numba', 'scipy', 'matplotlib', 'pydantic', 'tifffile', 'tqdm',"
        " 'physrecon.io.scans.scan', 'physrecon.io.output.image_writer') if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.splitlines() == ["v.z1.png", "[]"]
