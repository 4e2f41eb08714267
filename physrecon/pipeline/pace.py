"""How long work takes, from its own first steps; the time that the compiler takes is no work.

The first iterations of the run are its trial: they have the real sizes, the real data and a warm
cache, and nothing of them is thrown away.  A trial iteration beforehand would be an iteration lost,
and would need the memory of a second problem.

    time left = iterations left · seconds of one + what each piece needs besides, such as reading

The rate is that of the last steps, those of the pieces before included: two steps at the beginning
of a piece tell less than a whole piece does.  What the first piece needs besides, kernels and files
that are opened once included, is expected of the others only until a second one is finished.

Of an iteration that iterates itself the inner part grows with k, as the power of k that the halves
of the iterations so far show, at most k. In theory it is √k: the gap that a proximal map may leave
falls little faster than k⁻³, how far its variables have to move falls like 1/k², and n inner steps
leave a gap like 1/n² times that. But the first ones need the fewest steps between two gaps: counted
in seven runs with total variation, the steps were constant for 6 to 12 iterations, then grew faster
than k, then hardly. Computed from these counts for 47 lengths and speeds, of 8 s and more, the time
was foreseen within a factor of 1.5 in 11 cases with √k after 1 s, in 22 with k after 1 s, and in 44
with k after 5 s."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

WINDOW, PART = 10.0, 0.2  # seconds, and part of the time so far, whose steps give the present rate
TRIAL, INNER_TRIAL = 1.0, 5.0  # seconds of iterations that tell the rate, and how inner ones grow
STEPS = 2  # iterations that do; the one before them has prepared what all need
GROWTH = 1.0  # largest power of k that inner iterations grow with
PAUSE = 20.0  # times the usual time of a step: the program was stopped, by Ctrl-Z for instance
SHOWN = 8  # iterations that show it: the times of fewer are uneven


class Compiler:
    """The time that the compiler takes.  busy: whether it is at work."""

    def __init__(self) -> None:
        self._before, self._since, self._depth = 0.0, 0.0, 0

    @property
    def busy(self) -> bool:
        return self._depth > 0

    @property
    def seconds(self) -> float:
        """Seconds in all, those of the compilation under way included."""
        return self._before + (time.perf_counter() - self._since if self._depth else 0.0)

    def start(self) -> None:
        if not self._depth:
            self._since = time.perf_counter()
        self._depth += 1

    def stop(self) -> None:
        self._depth -= 1
        if not self._depth:
            self._before += time.perf_counter() - self._since


@contextmanager
def compiler_watched(compiler: Compiler) -> Iterator[None]:
    """Tell `compiler` what Numba compiles within the block."""
    from numba.core import event

    class Compiling(event.Listener):
        def on_start(self, event: Any) -> None:
            compiler.start()

        def on_end(self, event: Any) -> None:
            compiler.stop()

    with event.install_listener("numba:compile", Compiling()):
        yield


class Mark(NamedTuple):
    """Sums over the steps so far, but the first of each piece: what comes before it is not told
    apart."""

    seconds: float
    inner: float  # seconds in inner iterations
    units: float  # units times parts of the limit of iterations
    moment: float  # units times parts, times where in its piece each part is


class Pace:
    """Seconds that the steps of a piece take, and the time left.

    total: units of all pieces, of which `done` are finished.  end: the part of the limit of its
    iterations after which a piece is expected to stop, if it is foreseen."""

    def __init__(self, total: float, done: float, compiler: Compiler) -> None:
        self.done, self.end, self.foreseen = done, 1.0, False
        self._total, self._compiler = total, compiler
        self._begun, self._compiled = time.perf_counter(), compiler.seconds
        self._marks, self._paused = deque([Mark(0.0, 0.0, 0.0, 0.0)]), False
        # seconds per unit, for all iterations up to the limit: a constant part, and what inner
        # iterations take where `middle` of the iterations is done, which grows with a power
        self._steady, self._inner, self._middle, self._power = 0.0, 0.0, 1.0, 0.0
        # of the finished pieces: units, and units times the part at which they ended
        self._finished, self._ended = 0.0, 0.0
        # seconds beside iterations, and units, of the finished pieces; of the first one only as
        # long as there is no other: it has paid for what is done once
        self._besides, self._is_first = (0.0, 0.0), True
        self.begin(0.0)

    @property
    def seconds(self) -> float:
        """Seconds of work so far."""
        return time.perf_counter() - self._begun - (self._compiler.seconds - self._compiled)

    def begin(self, units: float) -> None:
        """A piece of so many units begins; it is expected to end as those before, in the mean."""
        self._units, self._piece = units, self.seconds
        self.end = self._usual_end or 1.0
        self._first: tuple[float, float] | None = None  # (seconds, part) at the end of a step
        self._last: tuple[float, float, float] | None = None  # and seconds in inner iterations
        self._width = 0.0  # part that a step does
        self._inside: list[tuple[float, float]] = []  # (part, seconds in inner iterations)

    def step(self, part: float, end: float | None, inner: float = 0.0) -> None:
        """So large a part of the piece is done; by its limits it ends at 1, expected is `end`.

        end None: as the pieces before, if there are.  inner: seconds in inner iterations so far."""
        now = self.seconds
        self.end = max(end or (self._usual_end if self._finished else 1.0), part)
        self.foreseen = end is not None or self._finished > 0
        if self._last is not None:
            self._add(now, part, inner)
        self._first, self._last = self._first or (now, part), (now, part, inner)
        if not self._finished:
            self._follow_growth(part, inner)

    def _add(self, now: float, part: float, inner: float) -> None:
        """A step beside the first one; the rate is that of the last ones."""
        begin, first, before = self._last or (now, part, inner)
        marks, units = self._marks, self._units * (part - first)
        usual = self._takes(first, part) * self._units if len(marks) > STEPS else math.inf
        # one step, not the next one too: that would be the new rate
        self._paused = not self._paused and now - begin > max(WINDOW, PAUSE * usual)
        if self._paused:
            return
        self._width = self._width or part - first
        sums, middle = marks[-1], (first + part) / 2
        new = Mark(now - begin, inner - before, units, units * middle)
        marks.append(Mark(*(a + b for a, b in zip(sums, new, strict=True))))
        window = max(WINDOW, PART * now)
        while len(marks) > STEPS + 1 and marks[-1].seconds - marks[0].seconds > window:
            marks.popleft()
        passed = Mark(*(b - a for a, b in zip(marks[0], marks[-1], strict=True)))
        if passed.units > 0:
            self._inner = passed.inner / passed.units
            self._steady = max(passed.seconds / passed.units - self._inner, 0.0)
            self._middle = passed.moment / passed.units

    def finish(self) -> None:
        """The piece is finished."""
        now, (at, part) = self.seconds, self._at()
        besides, units = self._besides
        if units and self._is_first:
            besides, units, self._is_first = 0.0, 0.0, False
        self._besides = besides + now - at + self._before(), units + self._units
        self._ended += self._units * min(part, 1.0)
        self._finished += self._units
        self.done += self._units
        self.begin(0.0)

    @property
    def is_known(self) -> bool:
        """Whether the rate can be relied on."""
        marks, enough = self._marks, INNER_TRIAL if self._inside else TRIAL
        trial = len(marks) > STEPS and marks[-1].seconds - marks[0].seconds >= enough
        return self._finished > 0 or trial

    @property
    def part(self) -> float:
        """The part of all work that is done."""
        inside = self._at()[1] / self.end
        return min((self.done + self._units * inside) / self._total, 1.0) if self._total else 1.0

    def remaining(self) -> float:
        """Seconds that are expected, from now on."""
        return max(self.left() - (self.seconds - self._at()[0]), 0.0)

    def left(self, at_most: bool = False) -> float:
        """Seconds that are expected, or the most, from the last step on."""
        _, inside = self._at()
        end = 1.0 if at_most else max(self.end, inside)
        usual = self._usual_end if self._finished and not at_most else end
        besides, units = self._besides if self._finished else (self._before(), self._units)
        besides = besides / units if units else 0.0
        here = self._units * self._takes(inside, end)
        if not inside:  # nothing is known of this piece yet, or it has no steps
            here += self._units * besides
        others = max(self._total - self.done - self._units, 0.0)
        return here + others * (self._takes(0.0, usual) + besides)

    @property
    def _usual_end(self) -> float:
        """The part at which the finished pieces ended, in the mean; 0 if they have no steps."""
        return self._ended / self._finished if self._finished else 0.0

    def _takes(self, begin: float, end: float) -> float:
        """Seconds per unit of the iterations between two parts."""
        power = self._power + 1
        begun, ended = ((at / self._middle) ** power for at in (begin, end))
        growing = self._inner * self._middle / power * (ended - begun)
        return self._steady * (end - begin) + growing

    def _follow_growth(self, part: float, inner: float) -> None:
        """The power of k that the seconds in inner iterations show, from 0 to GROWTH."""
        if not inner:
            return
        self._inside.append((part, inner))
        marks = self._inside[0], self._inside[len(self._inside) // 2], self._inside[-1]
        (a, begun), (b, then), (c, now) = marks
        if len(self._inside) >= SHOWN and a < b < c and begun < then < now:
            growth = (now - then) / (c - b) / ((then - begun) / (b - a))
            power = math.log(growth) / math.log((b + c) / (a + b))
            self._power = min(max(power, 0.0), GROWTH)

    def _at(self) -> tuple[float, float]:
        """(seconds, part of the piece) at the last step; another thread may ask at any moment."""
        last = self._last
        return last[:2] if last else (self._piece, 0.0)

    def _before(self) -> float:
        """Seconds of this piece before its first step."""
        if self._first is None:
            return 0.0
        at, part = self._first
        step = self._takes(max(part - self._width, 0.0), part) * self._units
        return max(at - self._piece - step, 0.0)
