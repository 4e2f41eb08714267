"""A run that is stopped within a piece goes on there, to the bytes of an undisturbed one."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from discs import CENTER, write_scan
from interruption import Steps

from physrecon.cancellation import cancel_on_signals
from physrecon.errors import DataError, Interrupted, OutputError
from physrecon.io import write_image
from physrecon.jobs.image_job import ImageJob
from physrecon.jobs.scan_job import ScanJob
from physrecon.pipeline import kept_work
from physrecon.pipeline.messages import NoMessages
from physrecon.pipeline.run import plan, run

TV = {"name": "tv", "weight": 0.01}
ITERATIONS = 12
STOP = {"iterations": ITERATIONS}


def scan_job(**fields) -> ScanJob:
    if not Path("scan.h5").exists():  # a scan that is written anew is another input
        write_scan("scan.h5")
    values = {"input": "scan.h5", "output": "o.h5", "center": CENTER, "stop": STOP}
    return ScanJob.build({**values, **fields}, "test")


def image_job(**fields) -> ImageJob:
    y = np.random.default_rng(0).poisson(np.full((2, 40, 40), 20.0))
    y[:, 10:20, 10:30] += 200
    if not Path("i.tif").exists():
        write_image("i.tif", y.astype("f4"), "TYX")
    values = {"input": "i.tif", "output": "o.h5", "psf": "gaussian:sigma=1", "stop": STOP}
    return ImageJob.build({**values, **fields}, "test")


JOBS = {
    "sirt": lambda: scan_job(method="sirt"),
    "slabs": lambda: scan_job(method="cgls", slab_rows=1),
    "fista-tv": lambda: scan_job(prior=TV),
    "pdhg, to convergence": lambda: scan_job(
        prior=TV, method="pdhg", stop={"gain": 0.1, "iterations": 24}
    ),
    "rl": lambda: image_job(method="rl"),
    "fista-tv of an image": lambda: image_job(prior=TV, method="fista"),
    "blind": lambda: image_job(blind=True),
}
DAILY = ("sirt", "rl")
CASES = [
    pytest.param(make, id=name, marks=[] if name in DAILY else pytest.mark.thorough)
    for name, make in JOBS.items()
]


def all_bytes(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize("make", CASES)
def test_a_run_goes_on_after_the_iteration_in_which_it_was_stopped(make, tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    job, whole = make(), Steps()
    run(job, whole)
    wanted = all_bytes(Path())
    for path in [name for name in wanted if not name.startswith(("scan", "i."))]:
        os.remove(path)
    for at in (1, len(whole.steps) - 2):
        with cancel_on_signals(), pytest.raises(Interrupted, match=r"iteration \d+ of the .* in"):
            run(job, Steps(at))
        assert Path("o.h5.state").is_file() and not Path("o.h5").exists()
        rest = Steps()
        run(job, rest)
        assert len(rest.steps) == len(whole.steps) - at
        assert any("going on after iteration" in note for note in rest.notes)
        found = all_bytes(Path())
        assert found == wanted
        for path in [name for name in wanted if not name.startswith(("scan", "i."))]:
            os.remove(path)


def test_a_signal_after_the_last_iteration_waits_until_the_piece_is_written(here, monkeypatch):
    from physrecon.pipeline.scan import task

    check = task.check_row

    def signalled(*args):
        os.kill(os.getpid(), signal.SIGTERM)
        return check(*args)

    monkeypatch.setattr(task, "check_row", signalled)
    with cancel_on_signals():
        assert run(scan_job(method="sirt")).is_file()
    with cancel_on_signals(), pytest.raises(Interrupted, match="2 of 3 slabs are kept"):
        run(scan_job(method="sirt", slab_rows=1, output="p.h5"))


def test_a_state_of_another_job_is_not_used(here):
    with cancel_on_signals(), pytest.raises(Interrupted):
        run(scan_job(method="sirt"), Steps(5))
    other = Steps()
    run(scan_job(method="sirt", nonnegative=True), other)
    assert len(other.steps) == ITERATIONS
    assert any("another job, input or version, not used" in note for note in other.notes)
    assert not Path("o.h5.state").exists()


def test_a_job_that_is_wrong_leaves_the_state_of_another(here, monkeypatch):
    def wrong(*_):
        raise DataError("no")

    with cancel_on_signals(), pytest.raises(Interrupted):
        run(image_job(), Steps(5))
    wanted = Path("o.h5.state").read_bytes()
    for same, method in ((False, "cgls"), (True, "rl")):
        with monkeypatch.context() as patch, pytest.raises(DataError):
            patch.setattr("physrecon.pipeline.image.task.deconvolved", wrong)
            run(image_job(method=method))
        assert Path("o.h5.state").exists() is not same
        assert same or Path("o.h5.state").read_bytes() == wanted


def test_a_state_that_is_damaged_is_not_used(here):
    with cancel_on_signals(), pytest.raises(Interrupted):
        run(scan_job(method="sirt"), Steps(5))
    content = bytearray(Path("o.h5.state").read_bytes())
    content[-100] ^= 1
    Path("o.h5.state").write_bytes(content)
    again = Steps()
    run(scan_job(method="sirt"), again)
    assert len(again.steps) == ITERATIONS and any("damaged" in note for note in again.notes)


@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_file_that_is_not_ours_is_refused(kind, here):
    job = scan_job(method="sirt")
    Path("mine").write_text("of a stranger")
    if kind == "link":
        Path("o.h5.state").symlink_to("mine")
    else:
        Path("mine").rename("o.h5.state")
    with pytest.raises(OutputError, match=r"o\.h5\.state: expected no file"):
        run(job)
    assert Path("o.h5.state").read_text() == "of a stranger"


def test_a_weight_that_was_chosen_is_used_again(here):
    job = image_job(prior="smooth", method="fista", stop={"iterations": 6})
    whole = Steps()
    run(job, whole)
    wanted = Path("o.h5").read_bytes()
    Path("o.h5").unlink()
    fits = sum("iteration" not in step for step in whole.steps)
    with cancel_on_signals(), pytest.raises(Interrupted):
        run(job, Steps(fits + 3))
    rest = Steps()
    run(job, rest)
    assert len(rest.steps) == 9  # half of the first frame, and the second
    assert Path("o.h5").read_bytes() == wanted


def test_the_search_for_a_weight_goes_on_after_its_last_fit(here, monkeypatch):
    job = image_job(prior="smooth", method="fista", stop={"iterations": 6})
    whole = Steps()
    run(job, whole)
    wanted = Path("o.h5").read_bytes()
    Path("o.h5").unlink()
    fits = [step for step in whole.steps if "iteration" not in step]
    at = len(fits) // 2
    with cancel_on_signals(), pytest.raises(Interrupted, match="fits of the search") as stopped:
        run(job, Steps(at))
    rest = Steps()
    run(job, rest)
    assert Path("o.h5").read_bytes() == wanted and not Path("o.h5.state").exists()
    again = len(rest.steps) - (len(whole.steps) - at)
    assert 0 <= again < 2 * 16  # the fit in work, of 16 iterations, the first of twice as many
    assert int(str(stopped.value).split("stopped, ")[1].split()[0]) > 1


def test_states_are_written_now_and_then(here, monkeypatch):
    """A kill loses what was done since the last one; a full disk does not end the run."""
    written = []
    monkeypatch.setattr(kept_work, "write_state", lambda *a, label: written.append(a[1].iteration))
    monkeypatch.setattr(kept_work, "LEAST", 0.0)
    monkeypatch.setattr(kept_work, "SHARE", 1e9)
    run(scan_job(method="sirt"))
    assert written == list(range(1, ITERATIONS + 1))

    def full(*_, label):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kept_work, "write_state", full)
    told = Steps()
    run(scan_job(method="sirt", overwrite=True), told)
    assert sum("No space left" in note for note in told.notes) == 1 and Path("o.h5").is_file()


@pytest.mark.parametrize("seconds, cost, wanted", [(19, 0, 0), (21, 0, 1), (99, 2, 0), (101, 2, 1),
                                                   (599, 99, 0), (601, 99, 1)])  # fmt: skip
def test_how_often_a_state_is_written(seconds, cost, wanted, here, monkeypatch):
    kept, now = kept_work.KeptWork(Path("o.h5"), NoMessages()), [0.0]
    monkeypatch.setattr(kept_work.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(kept_work, "write_state", lambda *_, label: written.append(1))
    kept.begin("piece")
    kept._seconds, written, now[0] = cost, [], seconds

    class Nothing:
        iteration = 1

    kept.after(Nothing())
    assert len(written) == wanted


def test_the_plan_counts_the_state(here):
    job = scan_job(method="sirt")
    with cancel_on_signals(), pytest.raises(Interrupted):
        run(job, Steps(5))
    size = Path("o.h5.state").stat().st_size
    most = plan(job).footprint.state
    assert size < most + 20_000 and size > most / 3
    assert any(line.startswith("work in hand: o.h5.state, ") for line in plan(job).lines())
    assert plan(scan_job(method="fbp", stop={})).footprint.state == 0
