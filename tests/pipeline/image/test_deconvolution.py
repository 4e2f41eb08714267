"""From a blurred image to a sharp one, as a user meets it: values, files, frames, refusals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Photo
from scipy.ndimage import convolve, gaussian_filter

from physrecon import catalog
from physrecon.cli.main import main
from physrecon.errors import Interrupted, OutputError
from physrecon.io import open_image, write_image
from physrecon.jobs.image_job import ImageJob
from physrecon.pipeline.image import footprint, task
from physrecon.pipeline.image import problem as image_problem
from physrecon.pipeline.image.psf import trimmed
from physrecon.pipeline.image.survey import background_of
from physrecon.pipeline.image.task import plan, run
from physrecon.pipeline.messages import Progress, Silent
from physrecon.psf import gaussian

PSF = gaussian((9, 9), 1.3)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def scene(shape=(40, 40), seed=0) -> np.ndarray:
    """Discs and points on a dark ground, larger than the frame that is seen of it."""
    rng = np.random.default_rng(seed)
    truth = np.full(shape, 100.0)
    for _ in range(12):
        truth[tuple(rng.integers(0, n) for n in shape)] += 4000
    return gaussian_filter(truth, 0.7) + 600 * (gaussian_filter(rng.random(shape), 3) > 0.5)


def blurred(truth, psf=PSF, seed=1, light=1) -> np.ndarray:
    """What a camera counts of the scene, in photons; `light` times as many have been counted."""
    mean = convolve(truth, psf.reshape((1,) * (truth.ndim - psf.ndim) + psf.shape), mode="nearest")
    return (np.random.default_rng(seed).poisson(light * mean) / light).astype(np.float32)


INSIDE = (..., slice(5, -5), slice(5, -5))


@pytest.fixture
def image(here):
    truth = scene()
    write_image("i.tif", blurred(truth, light=20)[INSIDE], "YX", 0.1, "um")
    write_image("p.tif", PSF, "YX")
    return truth[INSIDE]


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def read(path) -> np.ndarray:
    with open_image(path) as opened:
        return opened[...]


def command(*options, image="i.tif", psf="p.tif", output="o.tif") -> int:
    return main(["deconvolve", str(image), "--psf", str(psf), "-o", str(output), *options])


def make(**fields) -> ImageJob:
    return ImageJob.build({"input": "i.tif", "psf": "p.tif", "output": "o.tif", **fields}, "test")


def error(x, truth) -> float:
    return float(np.sqrt(np.mean((x - truth) ** 2)))


# Values ---------------------------------------------------------------------------------------

METHODS = [
    "", "--no-acceleration", "--method mlem", "--method wiener", "--method tikhonov",
    "--method cgls --iterations 8", "--method landweber --iterations 50",
    "--method fista --nonnegative --iterations 20", "--method sirt --nonnegative --iterations 50",
    "--method pdhg --likelihood poisson --iterations 100",
    "--method lbfgs --likelihood poisson --iterations 15", "--prior tv --weight 0.001",
    "--prior huber-tv --weight 0.001 --set prior.delta=20", "--boundary reflect",
    "--method fista --prior tv --weight 1 --iterations 10", "--set stop.discrepancy=auto",
]  # fmt: skip


@pytest.mark.parametrize("options", METHODS)
def test_every_method_comes_nearer_to_the_truth(options, image):
    assert command(*options.split()) == 0
    x = read("o.tif")
    assert x.shape == image.shape and x.dtype == np.float32
    assert error(x, image) < 0.95 * error(read("i.tif"), image)
    assert x.sum() == pytest.approx(image.sum(), rel=0.05)


@pytest.mark.parametrize("method", [m for m in catalog.IMAGE_ITERATIVE if m not in ("adam", "gd")])
def test_every_iterative_method_starts(method, image):
    assert command("--method", method, "--iterations", "2") == 0


def test_edges_of_a_scene_that_goes_on_need_the_unknown_boundary(image):
    for boundary in ("unknown", "zero"):
        assert command("--boundary", boundary, "-o", f"{boundary}.tif") == 0
    rim = np.ones(image.shape, bool)
    rim[3:-3, 3:-3] = False
    unknown, zero = (error(read(f"{b}.tif")[rim], image[rim]) for b in ("unknown", "zero"))
    assert unknown < 0.7 * zero


def test_background_is_not_part_of_the_result(here):
    truth = scene() - 100
    write_image("i.tif", (blurred(truth) + 500)[INSIDE], "YX")
    write_image("p.tif", PSF, "YX")
    for options in ([], ["--method", "wiener"], ["--method", "cgls", "--iterations", "4"]):
        assert command("--background", "500", *options, "--overwrite") == 0
        assert read("o.tif").sum() == pytest.approx(truth[INSIDE].sum(), rel=0.15)


def test_the_background_is_what_the_darkest_places_have_in_common(here):
    truth = np.zeros((96, 96))
    truth[20:60, 30:80] = 1000
    y = np.random.default_rng(0).poisson(truth + 50).astype(np.float32)
    assert background_of(y) == pytest.approx(50, abs=3)
    assert background_of(np.stack([y] * 3)) == pytest.approx(50, abs=3)


def test_a_psf_off_its_middle_shifts_the_result_unless_its_centre_is_given(image, capsys):
    write_image("shifted.tif", np.pad(PSF, ((4, 0), (0, 0))), "YX")
    assert command(psf="shifted.tif", output="a.tif") == 0
    assert "+2.0, +0.0" in capsys.readouterr().err
    for center in ("8,4", "peak", "mass"):
        assert command("--psf-center", center, "--overwrite", psf="shifted.tif") == 0
        assert "its light lies" not in capsys.readouterr().err
        assert error(read("o.tif"), image) < 0.9 * error(read("a.tif"), image)


def test_a_stack_saved_as_a_series_is_one_where_its_axes_are_named(here, capsys):
    put(y=np.stack([blurred(scene())] * 4), psf=gaussian((3, 5, 5), 1.0))
    write_image("i.tif", read("i.tif"), "TYX", overwrite=True)
    assert command() == 65
    assert "--axes" in capsys.readouterr().err
    assert command("--axes", "ZYX", "--voxel-size", "2,1,1", "--length-unit", "um") == 0
    with open_image("o.tif") as image:
        assert image.axes == "ZYX" and image.voxel_size == (2, 1, 1)


def test_a_voxel_size_that_is_given_is_in_the_unit_of_the_file(image, capsys):
    write_image("u.tif", read("i.tif"), "YX", 0.5, "um")
    assert command("--voxel-size", "0.1", image="u.tif") == 0
    with open_image("o.tif") as result:
        assert result.voxel_size == pytest.approx((0.1, 0.1)) and result.length_unit in ("um", "µm")


def test_when_to_stop_does_not_depend_on_what_a_photon_makes_in_grey_values(image, capsys):
    y = read("i.tif")
    endings = []
    for gain in (1, 8):
        write_image("g.tif", gain * y, "YX", overwrite=True)
        stop = ["--set", "stop.discrepancy=auto", "--overwrite"]
        assert command(*stop, image="g.tif") == 0
        endings.append(capsys.readouterr().err.split("fitted after ")[1])
    assert endings[0] == endings[1]


def test_few_photons_are_not_made_to_more_than_they_are(here, capsys):
    truth = scene() / 50
    write_image("i.tif", blurred(truth)[INSIDE], "YX")
    write_image("p.tif", PSF, "YX")
    assert command() == 0
    assert "fitted after" in capsys.readouterr().err
    assert command("--iterations", "20", output="b.tif") == 0
    assert "noise is being fitted" in capsys.readouterr().err
    assert error(read("o.tif"), truth[INSIDE]) < error(read("i.tif"), truth[INSIDE])
    assert error(read("o.tif"), truth[INSIDE]) < 0.8 * error(read("b.tif"), truth[INSIDE])


def test_an_image_without_noise_is_worked_on_to_the_end(here, capsys):
    write_image(
        "i.tif", np.where(np.arange(400).reshape(20, 20) % 20 > 9, 9, 0).astype(np.uint8), "YX"
    )
    assert command(psf="gaussian:sigma=1") == 0
    assert "no noise is seen" in capsys.readouterr().err


def test_priors_know_that_planes_are_further_apart(here):
    A = footprint.Blur(np.ones((1, 1, 3)), (4, 5, 6))
    y = np.ones((4, 5, 6), np.float32)
    prior = {"name": "tv", "weight": 1.0}
    problem = image_problem.make_problem(make(prior=prior), A, y, 0.0, (0.3, 0.1, 0.1))
    assert problem.prior.spacing == pytest.approx((3, 1, 1)) and problem.prior.axes == (0, 1, 2)
    planes = make(prior=prior, planewise=True)
    problem = image_problem.make_problem(planes, A, y, 0.0, (0.3, 0.1, 0.1))
    assert problem.prior.axes == (1, 2)


def test_planewise_is_each_plane_by_itself(here):
    stack = np.stack([blurred(scene(seed=s)) for s in range(3)])
    write_image("i.tif", stack, "ZYX")
    write_image("p.tif", PSF, "YX")
    assert command() == 65
    assert command("--planewise") == 0
    for k in range(3):
        write_image("k.tif", stack[k], "YX", overwrite=True)
        assert command("--overwrite", image="k.tif", output="k_o.tif") == 0
        assert read("o.tif")[k] == pytest.approx(read("k_o.tif"), rel=1e-4, abs=1e-3)


def test_blind_writes_the_psf_it_found(image):
    assert command("--blind", "--iterations", "3") == 0
    psf = read("o.psf.tif")
    assert psf.shape == PSF.shape and psf.sum() == pytest.approx(1, rel=1e-4)
    assert not np.allclose(psf, PSF, rtol=1e-2)
    os.remove("o.tif")
    assert command("--blind", "--iterations", "3") == 73


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


# Voxels ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("output", ["o.tif", "o.h5", "o.ome.tif"])
def test_voxel_sizes_go_through(output, here, capsys):
    stack = np.random.default_rng(0).poisson(30, (6, 16, 18)).astype(np.uint16)
    write_image("i.tif", stack, "ZYX", (0.3, 0.1, 0.1), "um")
    write_image("p.tif", gaussian((3, 5, 5), 1.0), "ZYX", (300, 100, 100), "nm")
    assert command("--iterations", "2", output=output) == 0
    with open_image(output) as made:
        assert made.voxel_size == pytest.approx((0.3, 0.1, 0.1)) and made.length_unit == "um"
        assert made.axes == "ZYX" and made.shape == stack.shape
    assert main(["view", output]) == 0
    assert main(["info", output]) == 0


def test_voxel_sizes_that_disagree_are_named(image, capsys):
    write_image("fine.tif", PSF, "YX", 0.05, "um")
    assert command(psf="fine.tif") == 65
    err = capsys.readouterr().err
    for word in ("0.05", "0.1", "um", "i.tif", "fine.tif", "resample", "--psf-voxel-size"):
        assert word in err
    assert command("--psf-voxel-size", "0.1", "--voxel-size", "0.1", "--length-unit", "um",
                   psf="fine.tif") == 0  # fmt: skip
    write_image("near.tif", PSF, "YX", 0.1004, "um")
    assert command("--overwrite", psf="near.tif") == 0
    write_image("pixels.tif", read("i.tif"), "YX")
    assert command(image="pixels.tif", psf="near.tif", output="q.tif") == 65
    assert "--voxel-size" in capsys.readouterr().err


def test_a_model_is_in_the_unit_of_the_voxels(image):
    job = make(psf="gaussian:sigma=0.13,shape=9")
    with task._opened(job) as (_, _, kernel, _):
        assert kernel.values == pytest.approx(PSF)
    job = make(psf="gaussian:sigma=0.3,0.15")
    with task._opened(job) as (_, _, kernel, _):
        assert kernel.values.shape[0] > 1.5 * kernel.values.shape[1]
        assert kernel.values.sum() > 0.99


def test_margins_of_a_model_that_hold_nothing_are_left_out():
    wide = gaussian((61, 61), (3.0, 1.0))
    narrow = trimmed(wide)
    assert narrow.sum() > 0.995 and narrow.shape[0] < 25 and narrow.shape[1] < 11
    middle = tuple(n // 2 for n in narrow.shape)
    assert np.unravel_index(narrow.argmax(), narrow.shape) == middle


# Frames ---------------------------------------------------------------------------------------


@pytest.fixture
def series(here):
    frames = np.stack([[blurred(scene(seed=10 * t + c)) for c in range(2)] for t in range(3)])
    write_image("i.tif", frames, "TCYX")
    write_image("p.tif", PSF, "YX")
    return frames


def test_every_frame_is_worked_on_alone(series):
    assert command("--iterations", "3") == 0
    write_image("one.tif", series[1, 1], "YX")
    assert command("--iterations", "3", image="one.tif", output="one_o.tif") == 0
    assert read("o.tif").shape == series.shape
    assert np.array_equal(read("o.tif")[1, 1], read("one_o.tif"))
    assert command("--iterations", "3", "--frames", "1:3", output="some.h5") == 0
    assert np.array_equal(read("some.h5"), read("o.tif")[1:3])
    assert command("--frames", "2:9", output="x.tif") == 64


def test_the_channels_of_a_photo_are_frames(here):
    colours = np.stack([blurred(scene(seed=s)).clip(0, 2000) / 8 for s in range(3)], -1)
    Photo.fromarray(colours.astype(np.uint8)).save("i.png")
    assert command("--iterations", "2", image="i.png", psf="gaussian:sigma=1.5") == 0
    with open_image("o.tif") as made:
        assert (made.axes, made.shape) == ("CYX", (3, 40, 40))


class StopAfter(Silent):
    """Presses Ctrl-C when so many frames are finished."""

    def __init__(self, frames: int) -> None:
        self.left, self.done = frames, 0

    def progress(self, what, total, unit, done=0):
        self.done = done
        manager = super().progress(what, total, unit, done)
        stopping = self

        class Stopping:
            def __enter__(self):
                progress: Progress = manager.__enter__()

                def advance(*_):
                    stopping.left -= 1
                    if not stopping.left:
                        raise KeyboardInterrupt

                progress.advance = advance  # type: ignore[method-assign]
                return progress

            def __exit__(self, *error):
                return manager.__exit__(*error)

        return Stopping()


@pytest.mark.parametrize("output", ["o.tif", "o.h5"])
def test_a_stopped_series_goes_on_and_gives_the_same_bytes(output, series, here):
    job = make(output=output, stop={"iterations": 3})
    with pytest.raises(Interrupted, match="4 of 6 frames are kept"):
        run(job, StopAfter(4))
    assert not Path(output).exists()
    (here / f"{output}.frames/00001.h5").write_bytes(b"damaged")
    rest = StopAfter(99)
    run(job, rest)
    assert rest.done == 3
    whole = Path(output).read_bytes()
    assert not Path(f"{output}.frames").exists()
    run(job.model_copy(update={"overwrite": True}))
    assert Path(output).read_bytes() == whole


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
    assert not plan(make(**settings)).warnings()
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


def test_frames_of_another_job_are_not_mixed_in(series, here):
    with pytest.raises(Interrupted):
        run(make(stop={"iterations": 3}), StopAfter(2))
    with pytest.raises(OutputError, match="another job"):
        run(make(stop={"iterations": 4}))
    os.utime("i.tif", (1, 1))
    with pytest.raises(OutputError, match="another job"):
        run(make(stop={"iterations": 3}))
    run(make(stop={"iterations": 3}, overwrite=True))


def test_a_kill_loses_nothing_that_is_finished(series, here):
    argv = [sys.executable, "-m", "physrecon.cli.main", "deconvolve", "i.tif", "--psf", "p.tif"]
    argv += ["-o", "o.tif", "--iterations", "300"]
    running = subprocess.Popen(argv, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (here / "o.tif.frames/00000.h5").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert not (here / "o.tif").exists()
    report = StopAfter(99)
    run(make(stop={"iterations": 300}), report)
    assert report.done >= 1
    whole = (here / "o.tif").read_bytes()
    run(make(stop={"iterations": 300}, overwrite=True))
    assert (here / "o.tif").read_bytes() == whole
    assert files(here) == {"i.tif", "p.tif", "o.tif"}


def test_a_terminated_program_says_how_to_go_on(series, monkeypatch, capsys):
    advance = Progress.advance

    def terminated(self, *args):
        advance(self, *args)
        os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Progress, "advance", terminated)
        assert command("--iterations", "2") == 75
    assert "1 of 6 frames are kept; run the same command again" in capsys.readouterr().err
    assert command("--iterations", "2") == 0


# Memory ---------------------------------------------------------------------------------------


@pytest.fixture
def stack(here):
    psf = gaussian((7, 15, 15), 2.0)
    psf *= np.random.default_rng(0).random(psf.shape)  # no sum of few separable ones
    write_image("i.tif", blurred(scene((24, 128, 128)), psf / psf.sum()), "ZYX")
    write_image("p.tif", psf, "ZYX")


@pytest.mark.parametrize("fraction, on_disk", [(0.9, False), (0.3, True)])
def test_a_frame_in_less_memory_is_the_same_frame(fraction, on_disk, stack, monkeypatch):
    monkeypatch.setattr(footprint, "BASE", 0)
    monkeypatch.setattr(footprint, "THREAD_BYTES", 0)
    monkeypatch.setattr(footprint, "BLOCK_BYTES", 1 << 18)
    monkeypatch.setattr(footprint, "NOISE_BYTES", 1 << 18)
    job = make(stop={"iterations": 3})
    run(job)
    whole = read("o.tif")
    roomy = plan(job.model_copy(update={"overwrite": True}))
    budget = int(fraction * roomy.peak)
    tight = job.model_copy(update={"memory": budget, "output": Path("t.tif")})
    planned = plan(tight)
    assert planned.on_disk == on_disk and planned.peak <= budget
    run(tight)
    assert abs(read("t.tif") - whole).max() < 1e-5 * whole.max()


@pytest.mark.parametrize(
    "fields",
    [{}, {"boundary": "zero"}, {"method": "cgls"}, {"method": "wiener"},
     {"prior": {"name": "tv", "weight": 0.01}}],
    ids=str,
)  # fmt: skip
def test_the_arrays_of_a_run_fit_its_plan(fields, stack):
    stop = {} if fields.get("method") == "wiener" else {"stop": {"iterations": 2}}
    job = make(**fields, **stop)
    run(job)  # compile first
    job = job.model_copy(update={"overwrite": True})
    planned = plan(job)
    tracemalloc.start()
    run(job)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < planned.peak - footprint.BASE + 2**20
    assert planned.peak - footprint.BASE < 2.5 * peak, "the plan wastes memory"


def test_plan_explains_and_computes_nothing(image, here, capsys):
    before = files(here)
    assert main(["plan", "i.tif", "--psf", "p.tif", "--memory", "1GB", "--prior", "tv"]) == 0
    out = capsys.readouterr().out
    words = ["(38, 38)", "unknown", "rl, 100 iterations", "arrays of the padded size", "1.00 GB"]
    for word in [*words, "prior tv", "i_deconvolved.tif", "0.1 × 0.1 um"]:
        assert word in out
    assert files(here) == before
    assert main(["plan", "i.tif", "--psf", "p.tif", "--memory", "1MB"]) == 64
    assert "memory" in capsys.readouterr().err


# What is refused, and what is doubted ------------------------------------------------------------


def put(**changed):
    """Write the image i.tif and the PSF p.tif, one of them bad."""
    y, psf = changed.pop("y", blurred(scene())), changed.pop("psf", PSF)
    axes = {2: "YX", 3: "ZYX"}
    write_image("i.tif", y, axes[y.ndim])
    write_image("p.tif", psf, axes[psf.ndim])


def holed(array, value, count=3):
    array = np.array(array, np.float64)
    array.ravel()[:count] = value
    return array


FLAT = np.full((20, 20), 7, np.uint8)
BAD = {
    "PSF all NaN": ({"psf": PSF * np.nan}, "", 65, ["p.tif", "NaN", "all of 81"]),
    "PSF some NaN": ({"psf": holed(PSF, np.nan)}, "", 65, ["p.tif", "in 3 of 81"]),
    "PSF zero": ({"psf": PSF * 0}, "", 65, ["p.tif", "zeros"]),
    "PSF of sum zero": ({"psf": PSF - PSF.mean()}, "", 65, ["p.tif", "sum > 0", "--no-normalize"]),
    "PSF negative": ({"psf": holed(PSF, -0.01)}, "", 65, ["3 of 81", "--psf-background"]),
    "PSF too large": ({"psf": gaussian((61, 61), 3.0)}, "", 65, ["(61, 61)", "--oversize"]),
    "PSF of a stack": ({"psf": gaussian((3, 5, 5), 1.0)}, "", 65, ["two dimensions", "one plane"]),
    "PSF of a plane": ({"y": np.stack([blurred(scene())] * 4)}, "", 65, ["--planewise"]),
    "planewise image": ({}, "--planewise", 65, ["stack"]),
    "centre outside": ({}, "--psf-center 9,3", 64, ["(9, 9)", "9,3"]),
    "level above all": ({}, "--psf-background 5", 65, ["background"]),
    "image with NaN": ({"y": holed(blurred(scene()), np.nan)}, "", 65, ["i.tif", "3 of 1600"]),
    "image negative": ({"y": holed(blurred(scene()), -2)}, "", 65,
                       ["3 of 1600", "-2", "--background", "least squares"]),
    "nothing above the background": ({}, "--background 1e6", 65, ["1e+06", "auto"]),
    "image constant": ({"y": FLAT}, "", 65, ["i.tif", "7 in every pixel"]),
    "voxel sizes of three": ({}, "--voxel-size 1,1,1", 64, ["voxel_size", "2"]),
    "memory": ({}, "--memory 1kB", 64, ["memory", "got 1.00 kB"]),
    "threads": ({}, "--threads 100000", 64, ["threads"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_with_a_sentence_and_leaves_nothing(case, here, capsys):
    contents, options, code, words = BAD[case]
    put(**contents)
    before = files(here)
    assert command(*options.split()) == code
    err = capsys.readouterr().err
    assert "Traceback" not in err and "fault of ours" not in err
    for word in words:
        assert word in err
    assert files(here) == before


@pytest.mark.parametrize(
    "arguments, code, words",
    [
        ({"image": "nothing.tif"}, 66, ["nothing.tif"]),
        ({"psf": "nothing.tif"}, 66, ["nothing.tif"]),
        ({"psf": "gausian:sigma=1"}, 64, ["did you mean gaussian"]),
        ({"psf": "notes.txt"}, 65, ["notes.txt"]),
        ({"output": "o.png"}, 64, ["o.png", "o.tif"]),
        ({"output": "o"}, 64, ["o.tif"]),
        ({"output": "old.tif"}, 73, ["exists", "--overwrite"]),
        ({"output": "i.tif"}, 73, ["input"]),
        ({"output": "p.tif"}, 73, ["input"]),
        ({"output": "nowhere/o.tif"}, 73, ["folder"]),
        ({"output": "."}, 73, ["folder"]),
    ],
)
def test_files_that_cannot_be_are_named(arguments, code, words, image, here, capsys):
    (here / "notes.txt").write_text("no image")
    (here / "old.tif").write_text("precious")
    before = {path: path.read_bytes() for path in here.iterdir()}
    assert command(**arguments) == code
    err = capsys.readouterr().err
    for word in words:
        assert word in err
    assert {path: path.read_bytes() for path in here.iterdir()} == before


def test_negative_pixels_are_welcome_where_they_mean_something(here):
    put(y=holed(blurred(scene()), -2))
    assert command("--method", "wiener") == 0


def test_saturation_is_counted(here, capsys):
    y = np.minimum(blurred(scene()) / 3, 255).astype(np.uint8)
    put(y=y)
    assert command("--iterations", "2") == 0
    err = capsys.readouterr().err
    assert f"{(y == 255).sum()} of 1600 pixels are saturated, at 255" in err


def test_a_background_left_in_the_psf_is_doubted_and_taken_off(image, capsys):
    write_image("p.tif", PSF + 0.1 * PSF.max(), "YX", overwrite=True)
    assert command("--iterations", "20", output="a.tif") == 0
    assert "--psf-background auto" in capsys.readouterr().err
    assert command("--iterations", "20", "--psf-background", "auto") == 0
    assert "cut off" not in capsys.readouterr().err
    assert error(read("o.tif"), image) < error(read("a.tif"), image)


def test_a_device_that_is_absent_is_named_with_its_package(image, here, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert command("--device", "cuda") == 69
    assert "pip install" in capsys.readouterr().err


# Measured data --------------------------------------------------------------------------------


def test_the_measured_grid(shared_data, here):
    """The two lines in the middle, 0.3 µm apart, are told from each other only afterwards."""
    folder = shared_data / "confocal_beads_grid"
    grid = folder / "DeconvolutionSampleVerticalGrid1AU-crop.tif"
    options = ["--oversize", "--background", "1"]
    assert command(*options, image=grid, psf=folder / "psf_distilled_normalised.tif") == 0

    def valley_to_peak(stack) -> float:
        profile = np.asarray(stack, np.float64)[5:16].mean((0, 1))[60:90]
        left, right = profile[:13].argmax(), 13 + profile[13:].argmax()
        return float(profile[left:right].min() / min(profile[left], profile[right]))

    assert valley_to_peak(read("o.tif")) < 0.6 < valley_to_peak(read(grid))
