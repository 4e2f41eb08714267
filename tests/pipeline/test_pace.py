"""Stated times against work whose time is known; a clock of ours replaces that of the machine."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest

import physrecon as pr
from physrecon.pipeline import messages as told, pace as paces
from physrecon.pipeline.forecast import Forecast
from physrecon.pipeline.messages import Messages
from physrecon.pipeline.pace import Compiler, Pace
from physrecon.sizes import format_duration


class Clock:
    now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def strftime(self, _: str) -> str:
        return "NOW"


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(paces, "time", clock)
    monkeypatch.setattr(told, "time", clock)
    return clock


PREPARING, ITERATION, WRITING = 2.0, 0.1, 1.0  # seconds


def work(
    pace: Pace,
    clock: Clock,
    units: int,
    iterations: int,
    limit: int,
    end: float | None = 1.0,
    once: float = 0.0,
):
    """Yield after each iteration of a piece.  once: seconds that it needs and others do not."""
    pace.begin(units)
    clock.now += PREPARING + once
    for k in range(1, iterations + 1):
        clock.now += ITERATION * units
        pace.step(k / limit, end)
        yield k
    clock.now += WRITING
    pace.finish()


def test_the_time_of_slabs_is_known_from_the_first_iterations(clock):
    pace = Pace(60, 0, Compiler())
    whole = 3 * (PREPARING + 200 * 20 * ITERATION) + 3 * WRITING
    for _ in range(3):
        for k in work(pace, clock, 20, 200, 200):
            if k >= 3:
                assert pace.is_known
                assert clock.now + pace.left() == pytest.approx(whole, abs=3 * WRITING + 1e-9)
            assert pace.part == pytest.approx((pace.done + 20 * k / 200) / 60)
    assert clock.now == pytest.approx(whole) and pace.left() == 0 and pace.part == 1


def test_the_compiler_is_no_work(clock):
    compiler = Compiler()
    pace = Pace(10, 0, compiler)
    for k in work(pace, clock, 10, 50, 50):
        if k in (1, 20):
            compiler.start()
            clock.now += 30
            assert compiler.busy
            compiler.stop()
        if k > 2:
            left = (50 - k) * 10 * ITERATION
            assert pace.left() == pytest.approx(left)
    assert pace.seconds == pytest.approx(clock.now - 60)


def test_iterations_that_are_expected_to_end_early(clock):
    pace = Pace(40, 0, Compiler())
    for k in work(pace, clock, 20, 50, 1000, end=0.05):
        if k > 2:
            once = PREPARING + 50 * 20 * ITERATION
            assert clock.now + pace.left() == pytest.approx(2 * once)
            assert pace.left(at_most=True) > 15 * once
    assert pace.end == 0.05 and pace.part == pytest.approx(0.5)


def test_a_run_that_goes_on_within_a_piece(clock):
    pace = Pace(20, 0, Compiler())
    pace.begin(20)
    clock.now += PREPARING
    for k in range(150, 161):
        clock.now += 20 * ITERATION
        pace.step(k / 200, 1.0)
    assert pace.left() == pytest.approx(40 * 20 * ITERATION)


def test_pieces_without_steps(clock):
    pace = Pace(4, 0, Compiler())
    for left in (15, 10, 5, 0):
        pace.begin(1)
        clock.now += 5
        pace.finish()
        assert pace.is_known and pace.left() == pytest.approx(left)


@pytest.mark.parametrize("power", [0.5, 1, 2])
def test_a_power_law_is_continued(power):
    """Gradient steps of a made-up measure: the change of x falls like 1/kᵖ."""
    made = pr.Problem(pr.LeastSquares(pr.Identity(2), np.ones(2)))
    forecast = Forecast(made, pr.Stop(iterations=10**6, rtol=1e-3))
    state = pr.solve(made, pr.Landweber(), stop=pr.Stop(iterations=1)).state
    end = (0.1 / 1e-3) ** (1 / power)
    for k in range(1, 41):
        state.iteration, state.change = k, np.array([0.1 * k**-power])
        expected = forecast.after(state)
        assert expected is None if k < 12 else expected == pytest.approx(max(end, k), rel=1e-6)


@pytest.mark.parametrize("rate", [0.02, 0.1])
def test_an_exponential_is_continued(rate):
    made = pr.Problem(pr.LeastSquares(pr.Identity(2), np.ones(2)))
    forecast = Forecast(made, pr.Stop(iterations=10**6, rtol=1e-6))
    state = pr.solve(made, pr.Landweber(), stop=pr.Stop(iterations=1)).state
    end = np.log(0.1 / 1e-6) / rate
    for k in range(1, 41):
        state.iteration, state.change = k, np.array([0.1 * np.exp(-rate * k)])
        expected = forecast.after(state)
        assert k < 32 or expected == pytest.approx(end, rel=1e-6)


def test_what_is_done_once_is_expected_of_no_further_piece(clock):
    """The first of five pieces also loads kernels, for 10 s; a step of the third one is slow."""
    pace, one = Pace(5, 0, Compiler()), PREPARING + 20 * ITERATION + WRITING
    for _ in work(pace, clock, 1, 20, 20, once=10):
        pass
    assert pace.left() == pytest.approx(4 * (one + 10))  # it may be of every piece
    for _ in work(pace, clock, 1, 20, 20):
        pass
    assert pace.left() == pytest.approx(3 * one)
    for k in work(pace, clock, 1, 20, 20):
        clock.now += 10 * ITERATION if k == 1 else 0
        assert k == 1 or 0.9 < (pace.left() + k * ITERATION + PREPARING + WRITING) / (3 * one) < 1.3


def test_short_pieces_keep_the_rate_of_those_before(clock):
    """Steps of two lengths in turn, two in each piece: the mean is the rate."""
    pace = Pace(100, 0, Compiler())
    for piece in range(99):
        pace.begin(1)
        for k in (1, 2):
            clock.now += 0.05 + 0.1 * (piece % 2)
            pace.step(k / 2, 1.0)
        pace.finish()
        if piece > 10:
            assert pace.left() == pytest.approx((99 - piece) * 0.2, rel=0.2)


def test_the_mean_number_of_iterations_is_expected_of_further_pieces(clock):
    pace = Pace(100, 0, Compiler())
    for iterations in (50, 150, 400):
        for _ in work(pace, clock, 10, iterations, 1000):
            pass
    each = PREPARING + WRITING + 200 * 10 * ITERATION  # (50 + 150 + 400) / 3
    assert pace.left() == pytest.approx(7 * each)
    for k in work(pace, clock, 10, 300, 1000, None):
        assert pace.foreseen and pace.end == pytest.approx(max(k / 1000, 0.2))
        here = max(200 - k, 0) * 10 * ITERATION
        assert pace.left() == pytest.approx(here + 6 * each)
    for _ in work(pace, clock, 10, 3, 1000, 0.9):  # of this piece more is known
        left = pace.left() - 5 * (PREPARING + WRITING + 225 * 10 * ITERATION)
    assert left == pytest.approx(897 * 10 * ITERATION)


def test_a_piece_without_iterations_among_others(clock):
    pace = Pace(5, 0, Compiler())
    for iterations in (0, 30, 0, 30):
        for _ in work(pace, clock, 1, iterations, 30):
            pass
    assert pace.left() == pytest.approx(PREPARING + WRITING + 15 * ITERATION)
    assert pace.part == pytest.approx(0.8)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(clock, monkeypatch, terminal: bool, end: float | None = 1.0, may_end=False) -> str:
    stream = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("COLUMNS", "100")
    messages = Messages()
    with messages.progress("recon", 40, "slices") as progress:
        progress.describe("40 slices in 2 slabs", "slab", 2, may_end)
        for slab in range(2):
            step = progress.within(20, slab)
            for k in range(1, 201):
                clock.now += 1
                if slab == 0 and k == 2:
                    messages.compiler.start()
                    clock.now += 20
                    progress.show()
                    messages.compiler.stop()
                step(k / 200, f"iteration {k}/200", end)
            progress.advance(20, "done")
    return stream.getvalue()


def test_a_terminal_shows_iterations_in_slabs(clock, monkeypatch):
    text = shown(clock, monkeypatch, True)
    assert "40 slices in 2 slabs: about 6.5 min" in text
    assert " 25 %, slab 1/2, iteration 100/200, 1.5 min, 5 min left" in text
    assert " 75 %, slab 2/2, iteration 100/200, 5 min, 1.5 min left" in text
    assert "compiling kernels 20 s" in text
    assert text.rstrip().endswith("done")


def test_without_a_terminal_there_is_a_line_a_slab_and_one_in_half_a_minute(clock, monkeypatch):
    lines = shown(clock, monkeypatch, False).splitlines()
    assert lines[0] == "40 slices in 2 slabs: about 6.5 min"
    slabs = [line for line in lines if "slices  " in line]
    assert slabs == [
        "NOW recon 20/40 slices  200.0 s, done",
        "NOW recon 40/40 slices  400.0 s, done",
    ]
    others = [line for line in lines[1:] if line not in slabs]
    assert 10 <= len(others) <= 14 and all(line.startswith("NOW recon ") for line in others)
    assert others[0].startswith("NOW recon 2 %, slab 1/2, iteration 10/200, 10 s, ")


def test_a_time_that_is_a_bound_says_so(clock, monkeypatch):
    bound = shown(clock, monkeypatch, False, end=None, may_end=True)
    assert "40 slices in 2 slabs: at most 6.5 min, less where it converges" in bound
    assert "iteration 40/200, 40 s, at most 6 min left" in bound
    expected = shown(clock, monkeypatch, False, end=0.5, may_end=True)
    assert "40 slices in 2 slabs: about 3.5 min, at most 6.5 min" in expected


def test_a_time_that_has_changed_is_stated_again(clock, monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with Messages().progress("recon", 1, "slices") as progress:
        progress.describe("1 slice")
        step = progress.within(1)
        for k in range(1, 101):
            clock.now += 1 if k <= 20 else 3  # 260 s in all
            step(k / 100)
        progress.advance(1)
    stated = [line for line in stream.getvalue().splitlines() if "about" in line]
    assert stated[0] == "1 slice: about 1.5 min" and 2 <= len(stated) <= 3
    assert stated[-1] in ("1 slice: about 4 min", "1 slice: about 4.5 min")


def test_work_that_turns_out_longer_is_announced_late(clock, monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with Messages().progress("recon", 1, "slices") as progress:
        progress.describe("1 slice")
        step = progress.within(1)
        for k in range(1, 101):
            clock.now += 0.04 if k <= 40 else 1
            step(k / 100)
        progress.advance(1)
    assert "1 slice: about" in stream.getvalue()


@pytest.mark.parametrize(
    "seconds, text",
    [(0.04, "0.0 s"), (9.9, "9.9 s"), (12.3, "12 s"), (99, "99 s"), (100, "1.5 min"),
     (249, "4 min"), (1200, "20 min"), (3590, "1 h"), (4800, "1 h 20 min"), (90000, "25 h")],
)  # fmt: skip
def test_durations_in_words(seconds, text):
    assert format_duration(seconds) == text


def test_a_piece_is_expected_to_end_as_the_last_one(clock):
    pace = Pace(40, 0, Compiler())
    for _ in work(pace, clock, 20, 50, 1000, end=0.05):
        pass
    pace.begin(20)
    clock.now += PREPARING
    for k in (1, 2, 3):
        clock.now += 20 * ITERATION
        pace.step(k / 1000, None)
    assert pace.foreseen and pace.end == 0.05
    assert pace.left() == pytest.approx(47 * 20 * ITERATION)


@pytest.mark.parametrize("power", [0.0, 0.3, 0.5, 1.0, 2.0])
def test_inner_iterations_that_grow_are_foreseen(clock, power):
    """Two pieces of 200 iterations; the inner seconds of iteration k are k^power / 10."""
    pace, inner = Pace(2, 0, Compiler()), 0.0
    whole = 2 * sum(ITERATION + 0.1 * k**power for k in range(1, 201))
    pace.begin(1)
    for k in range(1, 31):
        clock.now += ITERATION + 0.1 * k**power
        inner += 0.1 * k**power
        pace.step(k / 200, 1.0, inner)
    stated = clock.now + pace.left()
    assert stated == pytest.approx(whole, rel=0.05) if power <= 1 else 0.1 < stated / whole < 0.7


def test_three_uneven_iterations_show_no_growth(clock):
    pace, inner = Pace(1, 0, Compiler()), 0.0
    pace.begin(1)
    for k, seconds in enumerate([0.5, 0.4, 0.6], 1):
        clock.now += ITERATION + seconds
        inner += seconds
        pace.step(k / 100, 1.0, inner)
    assert pace.left() == pytest.approx(97 * (ITERATION + 0.5))


def test_the_growth_of_inner_iterations_is_waited_for(clock):
    pace = Pace(1, 0, Compiler())
    pace.begin(1)
    for k in range(1, 41):
        clock.now += 0.2
        pace.step(k / 100, 1.0, 0.1 * k)
        assert pace.is_known == (k > 25)  # 5 s after the first one


def test_a_pause_is_no_rate_but_slower_work_is(clock):
    pace = Pace(1, 0, Compiler())
    for k in work(pace, clock, 1, 499, 1000):
        clock.now += 60 if k == 100 else 0  # before step 101
        if k > 2:
            assert pace.left() == pytest.approx((1000 - k) * ITERATION)
    pace = Pace(1, 0, Compiler())
    pace.begin(1)
    for k in range(1, 120):
        clock.now += 0.1 if k < 100 else 60
        pace.step(k / 1000, 1.0)
    assert pace.left() == pytest.approx(881 * 60)
