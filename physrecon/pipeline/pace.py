"""How long work takes, from its own first steps; the time that the compiler takes is no work.

The first iterations of the run are its trial: they have the real sizes, the real data and a warm
cache, and nothing of them is thrown away.  A trial iteration beforehand would be an iteration lost,
and would need the memory of a second problem.

    time left = iterations left · seconds of one + what each piece needs besides, such as reading

Of an iteration that iterates itself the inner part grows with k, as the power of k that the halves
of the iterations so far show, at most √k: the gap that a proximal map may leave falls little faster
than k⁻³, how far its variables have to move falls like 1/k², and n inner steps leave a gap like
1/n² times that."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

WINDOW, PART = 10.0, 0.2  # seconds, and part of the time so far, whose steps give the present rate
TRIAL = 1.0  # seconds of iterations that tell the rate
STEPS = 2  # iterations that do; the one before them has prepared what all need
GROWTH = 0.5  # largest power of k that inner iterations grow with


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


class Pace:
    """Seconds that the steps of a piece take, and the time left.

    total: units of all pieces, of which `done` are finished.  end: the part of the limit of its
    iterations after which a piece is expected to stop, if it is foreseen."""

    def __init__(self, total: float, done: float, compiler: Compiler) -> None:
        self.done, self.end, self.foreseen = done, 1.0, False
        self._total, self._compiler = total, compiler
        self._begun, self._compiled = time.perf_counter(), compiler.seconds
        # seconds per unit, for all iterations up to the limit: a constant part, and what inner
        # iterations take where `middle` of the iterations is done, which grows with a power
        self._steady, self._inner, self._middle, self._power = 0.0, 0.0, 1.0, 0.0
        self._besides, self._finished = 0.0, 0.0  # seconds beside iterations, units, of pieces
        self.begin(0.0)

    @property
    def seconds(self) -> float:
        """Seconds of work so far."""
        return time.perf_counter() - self._begun - (self._compiler.seconds - self._compiled)

    def begin(self, units: float) -> None:
        """A piece of so many units begins."""
        self._units, self._piece = units, self.seconds
        self._prepared, self._width = 0.0, 0.0
        # (seconds, part of the piece, seconds in inner iterations)
        self._marks: deque[tuple[float, float, float]] = deque()
        self._inside: list[tuple[float, float]] = []  # (part, seconds in inner iterations)

    def step(self, part: float, end: float | None, inner: float = 0.0) -> None:
        """So large a part of the piece is done; by its limits it ends at 1, expected is `end`.

        end None: as the last piece, if there is one.  inner: seconds in inner iterations so far."""
        now = self.seconds
        self.end = max(end or (self.end if self._finished else 1.0), part)
        self.foreseen = end is not None or self._finished > 0
        self._marks.append((now, part, inner))
        while len(self._marks) > STEPS + 1 and now - self._marks[0][0] > max(WINDOW, PART * now):
            self._marks.popleft()
        (begin, first, before), (now, last, inner) = self._marks[0], self._marks[-1]
        if last > first and self._units:
            each = 1 / (last - first) / self._units
            self._inner = (inner - before) * each
            self._steady = max((now - begin) * each - self._inner, 0.0)
            self._middle = (first + last) / 2
            self._width = self._width or last - first
        self._follow_growth(part, inner)
        if self._prepared == 0:  # time to the end of the first step
            self._prepared = now - self._piece

    def finish(self) -> None:
        """The piece is finished."""
        now, at = self.seconds, self._at()
        if self._marks:
            self.end = min(at[1], 1.0)
        self._besides += now - at[0] + self._before()
        self._finished += self._units
        self.done += self._units
        self.begin(0.0)

    @property
    def is_known(self) -> bool:
        """Whether the rate can be relied on."""
        marks = [*self._marks]
        trial = len(marks) > STEPS and marks[-1][0] - marks[0][0] >= TRIAL
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
        end, (_, inside) = 1.0 if at_most else self.end, self._at()
        others = max(self._total - self.done - self._units, 0.0)
        besides = self._besides / self._finished if self._finished else 0.0
        if not self._finished and self._units:
            besides = self._before() / self._units
        here = self._units * self._takes(inside, max(end, inside))
        if not inside:  # nothing is known of this piece yet, or it has no steps
            here += self._units * besides
        return here + others * (self._takes(0.0, end) + besides)

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
        if a < b < c and begun < then < now:
            growth = (now - then) / (c - b) / ((then - begun) / (b - a))
            power = math.log(growth) / math.log((b + c) / (a + b))
            self._power = min(max(power, 0.0), GROWTH)

    def _at(self) -> tuple[float, float]:
        """(seconds, part of the piece) at the last step; another thread may ask at any moment."""
        marks = self._marks
        return marks[-1][:2] if marks else (self._piece, 0.0)

    def _before(self) -> float:
        """Seconds of this piece before its first step."""
        return max(self._prepared - self._takes(0.0, self._width) * self._units, 0.0)
