"""From a scan to a volume: right values, whatever the slabs, and nothing lost when stopped."""

from __future__ import annotations

import tomllib
import tracemalloc
from contextlib import contextmanager

import h5py
import numpy as np
import pytest
from discs import CENTER, COLUMNS, MU, disc_mask, line_integrals, write_scan
from tiers import thorough

from physrecon.analytic.fbp import fbp
from physrecon.catalog import SOLVERS
from physrecon.cli.main import main
from physrecon.errors import ArgumentError, Interrupted, OutputError
from physrecon.geometry.parallel_beam import ParallelBeam
from physrecon.io import open_volume
from physrecon.jobs.scan_job import ScanJob
from physrecon.pipeline.messages import NoMessages, Progress
from physrecon.pipeline.pieces import PROGRAM_BYTES
from physrecon.pipeline.run import open_task, plan, run
from physrecon.pipeline.scan.direct import FBP_ROWS
from physrecon.pipeline.scan.measure import measure
from physrecon.pipeline.scan.resolve import find_axis

METHODS = [
    {"method": "fbp"},
    {"method": "fbp", "filter": "hann", "padding": "edge"},
    {"method": "cgls", "stop": {"iterations": 8}},
    {"method": "sirt", "stop": {"iterations": 60}, "nonnegative": True},
    {"method": "landweber", "stop": {"iterations": 60}},
    {"method": "gd", "stop": {"iterations": 60}},
]
IDS = ["fbp", "fbp-hann-edge", "cgls", "sirt", "landweber", "gd"]
# RMSprop circles its end at the size of its step: only that it comes near is tested, elsewhere.
OTHERS = [name for name in SOLVERS if name not in (*IDS, "rmsprop")]


@pytest.fixture
def scan(tmp_path):
    return write_scan(tmp_path / "scan.h5")


def reconstruct(path, name="v.h5", report=None, **fields):
    job = ScanJob.build({"input": path, "output": path.with_name(name), **fields}, "test")
    with open_volume(run(job, report)) as volume:
        return volume[:]


@pytest.mark.parametrize(
    "settings",
    [*METHODS, *(thorough({"method": name}) for name in OTHERS)],
    ids=[*IDS, *OTHERS],
)
def test_a_disc_has_its_attenuation_and_its_place(scan, settings):
    volume = reconstruct(scan, center=CENTER, **settings)
    assert volume.shape == (3, COLUMNS, COLUMNS) and volume.dtype == np.float32
    inside = disc_mask()
    for row, slice_ in enumerate(volume):
        assert slice_[inside].mean() == pytest.approx(MU * (1 + row / 10), rel=0.02)
        weight = np.where(slice_ > MU / 2, slice_, 0)
        y = x = np.arange(COLUMNS) - (COLUMNS - 1) / 2
        assert (weight.sum(1) @ y) / weight.sum() == pytest.approx(3.0, abs=0.1)
        assert (weight.sum(0) @ x) / weight.sum() == pytest.approx(-4.0, abs=0.1)


@pytest.mark.parametrize("settings", [*METHODS[1:4], *map(thorough, [METHODS[0], *METHODS[4:]])])
def test_a_volume_does_not_know_its_slabs(tmp_path, settings):
    if "stop" in settings:
        settings = {**settings, "stop": {"iterations": 5}}
    noise = np.random.default_rng(0).normal(0, 20, (36, 7, COLUMNS))
    counts = 50 + 9950 * np.exp(-line_integrals(np.arange(36) * 5.0, 7)) + noise
    scan = write_scan(tmp_path / "s.h5", rows=7, views=36, data=np.rint(counts).astype(np.uint16))
    whole = reconstruct(scan, "whole.h5", **settings)
    for rows in (1, 3):
        cut = reconstruct(scan, f"{rows}.h5", slab_rows=rows, **settings)
        assert np.array_equal(cut, whole)


class Partial(NoMessages):
    """Keeps what a terminal would show."""

    def __init__(self):
        self.shown = []

    @contextmanager
    def progress(self, what, total, unit, done=0):
        progress = Progress(self, what, total, unit, done)
        progress.partial = lambda part, text="", end=1.0, inner=0.0: self.shown.append(part)
        yield progress


def test_a_large_slab_shows_progress_and_keeps_every_bit(tmp_path):
    rows = 2 * FBP_ROWS + 9
    noise = np.random.default_rng(1).normal(0, 20, (24, rows, COLUMNS))
    counts = np.maximum(50 + 9950 * np.exp(-line_integrals(np.arange(24) * 7.5, rows)) + noise, 60)
    scan = write_scan(tmp_path / "s.h5", rows=rows, views=24, data=counts.astype(np.uint16))
    report = Partial()
    volume = reconstruct(scan, report=report, center=CENTER)
    steps = [rows * part for part in report.shown if part is not None]
    assert steps == pytest.approx([FBP_ROWS, 2 * FBP_ROWS, rows])
    geometry = ParallelBeam(np.arange(24) * 7.5, (rows, COLUMNS), angle_unit="deg", center=CENTER)
    with open_task(ScanJob(input=scan, output="-")) as task:
        data, _ = measure(task.job, task.scan, slice(0, rows))
    assert np.array_equal(volume, fbp(data.line_integrals, geometry))


def test_a_discrepancy_does_not_know_the_slabs_either(scan):
    settings = {"method": "cgls", "center": CENTER, "stop": {"iterations": 30, "discrepancy": 1.0}}
    whole = reconstruct(scan, "whole.h5", **settings)
    assert np.array_equal(reconstruct(scan, "cut.h5", slab_rows=2, **settings), whole)
    further = {**settings, "stop": {"iterations": 30}}
    assert not np.array_equal(reconstruct(scan, "further.h5", **further), whole)


def test_chosen_rows_are_those_of_the_whole(scan):
    whole = reconstruct(scan, "whole.h5", center=CENTER)
    assert np.array_equal(reconstruct(scan, "part.h5", center=CENTER, slices="1:3"), whole[1:3])
    assert np.array_equal(reconstruct(scan, "one.h5", center=CENTER, slices="2"), whole[2:])


def test_line_integrals_are_taken_as_they_are(tmp_path):
    p = line_integrals(np.arange(90) * 2.0, 3).astype(np.float32)
    scan = write_scan(tmp_path / "p.h5", data=p, remove=["data_white", "data_dark"])
    volume = reconstruct(scan, line_integrals=True, center=CENTER)
    assert volume[0][disc_mask()].mean() == pytest.approx(MU, rel=0.02)


def test_the_axis_is_found(scan):
    job = ScanJob(input=scan, output="-")
    with open_task(job) as task:
        found = find_axis(job, task.scan)
    assert found.column == pytest.approx(CENTER, abs=0.3)
    assert found.uncertainty < 0.5 and len(found.methods) >= 2


def test_lengths_come_from_the_file(tmp_path):
    scan = write_scan(tmp_path / "s.h5")
    with h5py.File(scan, "a") as file:
        for axis in "xy":
            size = file.create_dataset(
                f"measurement/instrument/detector/{axis}_pixel_size", data=0.5
            )
            size.attrs["units"] = "mm"
    reconstruct(scan, center=CENTER)
    with open_volume(tmp_path / "v.h5") as volume:
        assert volume.length_unit == "mm" and volume.voxel_size == (0.5, 0.5, 0.5)
        assert volume[0][disc_mask()].mean() == pytest.approx(2 * MU, rel=0.02)


# Stopping and going on ------------------------------------------------------------------------


class StopAfter(NoMessages):
    """A user who presses Ctrl-C after some slabs, and one who counts them."""

    def __init__(self, slabs):
        self.slabs, self.seen = slabs, 0

    def progress(self, what, total, unit, done=0):
        outer = super().progress(what, total, unit, done)
        report = self

        class Counting:
            def __enter__(self):
                self.progress = outer.__enter__()
                advance = self.progress.advance

                def counted(*args):
                    advance(*args)
                    report.seen += 1
                    if report.seen == report.slabs:
                        raise KeyboardInterrupt

                self.progress.advance = counted
                return self.progress

            def __exit__(self, *error):
                return outer.__exit__(*error)

        return Counting()


def test_a_stopped_run_goes_on_to_the_same_bytes(scan, tmp_path):
    fields = {"slab_rows": 1, "method": "cgls", "stop": {"iterations": 4}}
    whole = reconstruct(scan, "whole.h5", **fields)
    with pytest.raises(Interrupted, match="2 of 3 slabs are kept") as stopped:
        reconstruct(scan, "v.h5", StopAfter(2), **fields)
    assert stopped.value.exit_code == 75
    assert not (tmp_path / "v.h5").exists()
    # another day there is room for all rows at once: what is finished must not be lost
    rest = StopAfter(None)
    volume = reconstruct(scan, "v.h5", rest, **{**fields, "slab_rows": None})
    assert rest.seen == 1
    assert np.array_equal(volume, whole)


def test_a_stopped_run_of_another_job_is_not_mixed_in(scan):
    with pytest.raises(Interrupted):
        reconstruct(scan, "v.h5", StopAfter(1), slab_rows=1, center=CENTER)
    with pytest.raises(OutputError, match="another job"):
        reconstruct(scan, "v.h5", slab_rows=1, center=CENTER + 1)
    with pytest.raises(OutputError, match="another job"):
        reconstruct(scan, "v.h5", slab_rows=1, center=CENTER, method="cgls")


def test_a_terminated_program_says_how_to_go_on(scan, monkeypatch, capsys):
    advance = Progress.advance

    def terminated(self, *args):
        import os
        import signal

        advance(self, *args)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Progress, "advance", terminated)
    argv = ["recon", str(scan), "-o", str(scan.with_name("v.h5")), "--slab-rows", "1"]
    assert main(argv) == 75
    assert "1 of 3 slabs are kept; run the same command again" in capsys.readouterr().err
    monkeypatch.undo()
    assert main(argv) == 0


def test_a_finished_volume_is_left_alone_unless_asked(scan):
    first, made = reconstruct(scan, center=CENTER), scan.with_name("v.h5")
    before = made.read_bytes()
    assert np.array_equal(reconstruct(scan, center=CENTER), first)  # done already
    with pytest.raises(OutputError, match=r"center 22\.3 there, 23\.3 wanted"):
        reconstruct(scan, center=CENTER + 1)
    assert made.read_bytes() == before
    again = reconstruct(scan, center=CENTER, overwrite=True, slab_rows=2)
    assert np.array_equal(again, reconstruct(scan, "w.h5", center=CENTER))


def test_the_volume_tells_the_job_that_made_it(scan, tmp_path):
    volume = reconstruct(scan, method="sirt", solver={}, slab_rows=2)
    with open_volume(tmp_path / "v.h5") as opened:
        text = opened.configuration["job"]
    values = tomllib.loads(text)
    assert values["method"] == "sirt" and values["stop"]["iterations"] > 0
    assert values["center"] == pytest.approx(CENTER, abs=0.3)
    (tmp_path / "again").mkdir()
    (tmp_path / "again/job.toml").write_text(text)
    job = ScanJob.from_toml(tmp_path / "again/job.toml")
    with open_volume(run(job)) as again:
        assert again.path.parent.name == "again" and np.array_equal(again[:], volume)


# Memory ---------------------------------------------------------------------------------------

STOP = {"stop": {"iterations": 2}}
GREEDY = [
    {"method": "pdhg", "prior": {"name": "l1", "weight": 1e-3}, **STOP},
    {"method": "cgls", "prior": {"name": "tikhonov", "weight": 0.1}, **STOP},
    {"method": "admm", "prior": {"name": "huber-tv", "weight": 1e-3, "delta": 1e-3}, **STOP},
]


@pytest.mark.parametrize(
    "settings, dtype",
    [
        (METHODS[0], np.uint16),
        (GREEDY[0], np.uint16),
        *(thorough(s, np.uint16) for s in (*METHODS[1:4], *GREEDY[1:])),
        *(thorough(METHODS[0], t) for t in (np.float32, np.float64)),
    ],
)
def test_the_arrays_of_a_run_fit_its_plan(tmp_path, settings, dtype):
    if "stop" in settings:
        settings = {**settings, "stop": {"iterations": 2}}
    counts = 50 + 9950 * np.exp(-line_integrals(np.arange(300) * 0.6, 64))
    scan = write_scan(tmp_path / "s.h5", rows=64, views=300, data=counts.astype(dtype))
    fields = {"input": scan, "output": tmp_path / "v.h5", "center": CENTER, "slab_rows": 32}
    job = ScanJob.build({**fields, **settings}, "test")
    run(job)  # compile first
    planned = plan(job.model_copy(update={"overwrite": True}))
    tracemalloc.start()
    run(job.model_copy(update={"overwrite": True}))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < planned.peak - PROGRAM_BYTES + 2**20
    assert planned.peak - PROGRAM_BYTES < 3 * peak, "the plan wastes memory"


def test_a_budget_too_small_says_what_is_needed(scan):
    with pytest.raises(ArgumentError, match=r"at least .* MB"):
        reconstruct(scan, memory="1MB")


def test_a_budget_cuts_the_slabs(tmp_path):
    scan = write_scan(tmp_path / "s.h5", rows=64)
    roomy = plan(ScanJob(input=scan, output=tmp_path / "v.h5"))
    assert len(roomy.pieces) == 1
    budget = PROGRAM_BYTES + (roomy.peak - PROGRAM_BYTES) // 3
    tight = plan(ScanJob(input=scan, output=tmp_path / "v.h5", memory=budget))
    assert [piece.place.stop for piece in tight.pieces] == [16, 32, 48, 64]
    assert tight.peak <= budget < roomy.peak


# Measured data --------------------------------------------------------------------------------


def test_the_measured_tooth(shared_data, tmp_path, capsys):
    """Axis, units and values of a synchrotron scan, against scikit-image on the same sinogram."""
    iradon = pytest.importorskip("skimage.transform").iradon
    path = shared_data / "aps_tooth/tooth.h5"
    assert main(["recon", str(path), "-o", str(tmp_path / "v.h5")]) == 0
    center = float(capsys.readouterr().out.split("center: ")[1].split()[0])
    assert abs(center - 296.0) <= 0.5
    with h5py.File(path) as file:
        white, dark = (
            file[f"exchange/data_{n}"][:].mean(0, dtype=float) for n in ("white", "dark")
        )
        p = -np.log((file["exchange/data"][:] - dark) / (white - dark))
        angles = file["exchange/theta"][:]
    n = p.shape[2]
    y, x = np.ogrid[:n, :n]
    seen = np.hypot(x - (n - 1) / 2, y - (n - 1) / 2) < min(296, n - 1 - 296)
    # Voxels of iradon lie at column - n // 2 and n // 2 - row: half a voxel off ours both ways.
    theta = np.deg2rad(angles)[:, None]
    u = 296 + np.arange(n) - n // 2 + (np.cos(theta) - np.sin(theta)) / 2
    with open_volume(tmp_path / "v.h5") as volume:
        assert volume.shape == (2, n, n)
        for row, ours in enumerate(volume[:]):
            views = [
                np.interp(at, np.arange(n), view) for at, view in zip(u, p[:, row], strict=True)
            ]
            other = iradon(np.transpose(views), theta=angles, filter_name="ramp", circle=True)[::-1]
            assert np.corrcoef(ours[seen], other[seen])[0, 1] >= 0.985


def test_the_threads_of_one_job_are_not_those_of_the_next():
    import numba

    from physrecon.pipeline.preflight import use_threads

    most = numba.config.NUMBA_NUM_THREADS
    use_threads(1)
    assert numba.get_num_threads() == 1
    use_threads(None)
    assert numba.get_num_threads() == most
