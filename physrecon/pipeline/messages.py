"""Messages of a run to its user: results on stdout, progress and problems on stderr.

On a terminal progress is a bar with a clock that also ticks while kernels are compiled, followed by
the reasons why the solver stopped.  Without a terminal it is a line with the time of day for every
piece, and at most one in 30 s besides.  Work that takes longer than a few seconds is announced with
the time that it will take.  `NoMessages` prints nothing.

All of it, whatever is printed, also goes to the logger "physrecon" of Python's logging."""

from __future__ import annotations

import json
import logging
import math
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any

from physrecon.pipeline.pace import Compiler, Pace, compiler_watched
from physrecon.sizes import format_duration

PieceProgress = Callable[..., Any]  # called as `Progress.partial`
_BAR = "{desc} {bar:BAR} {percentage:3.0f} %{postfix}"
WIDTHS = 12, 20  # of the bar, in a terminal of less than 100 columns, and in others
TICK = 1.0  # seconds between two looks at the clock
OFTEN = 0.1  # seconds between two pictures of the bar
SELDOM = 30.0  # seconds between two lines without a terminal
VERBOSE = 1.0  # the same, where more is wanted
ANNOUNCED = 5.0  # seconds of work that are announced
FORESEEN = 5.0  # seconds until a bound is stated where it is not foreseen when iterations end
AGAIN = 1.5  # factor by which the expected time has changed when it is stated again
LESS = "less where it converges or fits, which is told once it is foreseen"


LOG = logging.getLogger("physrecon")
LOG.addHandler(logging.NullHandler())  # a program that wants the lines adds its own


class Messages:
    """Prints to the current sys.stdout and sys.stderr, so that a redirection is honoured.

    quiet: results and warnings alone.  verbose: the plan, and a line a second, besides.  json:
    stdout holds nothing but records, one JSON object a line; results go to stderr."""

    quiet = verbose = json = False
    _shown: Progress | None = None  # what is under way
    _compiled = _clock = False

    def __init__(self, quiet: bool = False, verbose: bool = False, json: bool = False) -> None:
        self.quiet, self.verbose, self.json = quiet, verbose, json

    @cached_property
    def warned(self) -> list[str]:
        """All warnings so far."""
        return []

    @cached_property
    def compiler(self) -> Compiler:
        return Compiler()

    @cached_property
    def lock(self) -> Any:
        """Held while something is printed: the clock ticks in a thread of its own."""
        return threading.RLock()

    def result(self, text: str) -> None:
        """Print a line of the result, which may be piped onwards."""
        LOG.info("%s", text)
        if not self.json:
            self._print(text, sys.stdout)
        elif not self.quiet:
            self._print(text, sys.stderr)

    def record(self, kind: str, values: Mapping[str, Any]) -> None:
        """Print a record if records are wanted.  kind: of `cli.records`."""
        if self.json:
            self._print(as_json({"record": kind, **values}), sys.stdout)

    def note(self, text: str) -> None:
        """Print an explanation."""
        LOG.info("%s", text)
        if not self.quiet:
            self._print(text, sys.stderr)

    def detail(self, text: str) -> None:
        """Print what is of interest where more is wanted."""
        LOG.debug("%s", text)
        if self.verbose:
            self._print(text, sys.stderr)

    def state_pace(self, text: str, shown: bool) -> None:
        """State how far work has come, with the time of day.  shown: a bar shows it already."""
        LOG.info("%s", text)
        if not (self.quiet or shown):
            self._print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}", sys.stderr)

    def warn(self, text: str) -> None:
        """Print a warning."""
        LOG.warning("%s", text)
        self.warned.append(text)
        mark = "\033[1;33mwarning:\033[0m" if sys.stderr.isatty() else "warning:"
        self._print(f"{mark} {text}", sys.stderr)

    def introduce(
        self, summary: Sequence[str], notes: Sequence[str], warnings: Sequence[str]
    ) -> None:
        """Print the input of a job, with notes and warnings."""
        for line in summary:
            self.result(line)
        for line in notes:
            self.note(line)
        for line in warnings:
            self.warn(line)

    @contextmanager
    def progress(
        self, verb: str, total: int, unit: str, done: int = 0, every: bool = True
    ) -> Iterator[Progress]:
        """Show progress over `total` units of work, of which `done` are finished already.

        every: write a line for every piece where there is no terminal, else one in 30 s."""
        progress = Progress(self, verb, total, unit, done)
        progress.every = every or self.verbose
        outer = self._shown
        try:
            if outer is None and sys.stderr.isatty() and not self.quiet:
                progress.open_bar()
            self._shown = progress
            yield progress
        finally:
            with self.lock:
                self._shown = outer
                progress.close()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Within the block the time of the compiler is told, and a clock ticks on a terminal."""
        ended = threading.Event()

        def tick() -> None:
            while not ended.wait(TICK):
                with self.lock, suppress(OSError, ValueError):  # a stream that is closed
                    self._tick()

        clock = threading.Thread(target=tick, name="physrecon-clock", daemon=True)
        clock.start()
        try:
            with compiler_watched(self.compiler):
                yield
        finally:
            ended.set()
            clock.join()
            with self.lock:
                self._wipe()

    def _tick(self) -> None:
        """Once a second."""
        if self.compiler.busy and not self._compiled:
            self._compiled = True
            self.note("compiling kernels for this method and size; later runs find them ready")
        if self._shown is not None:
            self._shown.show()
        elif self.compiler.busy and sys.stderr.isatty() and not self.quiet:
            seconds = format_duration(self.compiler.seconds)
            print(f"\rcompiling kernels, {seconds}\033[K", end="", file=sys.stderr, flush=True)
            self._clock = True
        else:
            self._wipe()

    def _wipe(self) -> None:
        """Remove the clock of the compiler from the terminal."""
        if self._clock:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
        self._clock = False

    def _print(self, text: str, stream: Any) -> None:
        with self.lock:
            self._wipe()
            bar = self._shown.bar if self._shown is not None else None
            if bar is None:
                print(text, file=stream, flush=True)
            else:
                bar.write(text, file=stream)


class Progress:
    """Work under way, in pieces: `within` one, and `advance` at its end."""

    def __init__(self, messages: Messages, verb: str, total: int, unit: str, done: int = 0) -> None:
        self._messages, self._verb, self._unit = messages, verb, unit
        self._total, self._done = total, done
        self.bar: Any = None
        self.pace = Pace(total, done, messages.compiler)
        self.every = True  # piece is worth a line
        self.texts: dict[str, int] = {}  # how pieces ended → units of work that ended so
        self._what, self._pieces, self._open = "", ("", 1), False
        self._text, self._at, self._announced, self._stated = "", "", "", 0.0
        self._last = self._line = time.perf_counter()

    def describe(self, what: str, piece: str = "", pieces: int = 1, may_end: bool = False) -> None:
        """what: the work, in words.  piece: name of its pieces.  may_end: a rule may end the
        iterations before their limit."""
        self._what, self._pieces, self._open = what, (piece, pieces), may_end

    def open_bar(self) -> None:
        from tqdm import tqdm

        room = shutil.get_terminal_size()  # tqdm shows nothing if a terminal states no size
        self.bar = tqdm(
            total=1.0,
            desc=self._verb,
            bar_format=_BAR.replace("BAR", str(WIDTHS[room.columns >= 100])),
            file=sys.stderr,
            ncols=room.columns - 1,
            nrows=room.lines,
        )
        self.show()

    def close(self) -> None:
        """Close the bar, and say how the pieces ended."""
        if self.bar is None:
            return
        self.bar.close()
        self.bar = None
        for text, units in self.texts.items():
            several = f"{units} {self._unit}: " if len(self.texts) > 1 else ""
            self._messages.note(several + text)

    def within(self, units: int, number: int = 0) -> PieceProgress:
        """The progress callback of the next piece, of `units`; it takes the part that is done.

        number: of the piece, from 0."""
        piece, pieces = self._pieces
        self._at = f"{piece} {number + 1}/{pieces}" if pieces > 1 else ""
        self.pace.begin(units)
        return self.partial

    def partial(
        self, part: float | None, text: str = "", end: float | None = 1.0, inner: float = 0.0
    ) -> None:
        """This part of the piece is done.  end: the part at which it is expected to end, None if
        that is not foreseen.  inner: seconds in inner iterations so far.

        part None: something else is under way, as the text says."""
        self._text = text
        if part is None:
            return
        self.pace.step(part, end, inner)
        now = time.perf_counter()
        self._announce()
        if now - self._last >= OFTEN:
            self.show()

    def advance(self, units: int, text: str = "") -> None:
        """The piece, of `units`, is finished."""
        self.pace.finish()
        self._done, self._text = self._done + units, ""
        if text:
            self.texts[text] = self.texts.get(text, 0) + units
        if not self.every:
            self.show()
            return
        self._line = time.perf_counter()
        seconds = f"{self.pace.seconds:.1f} s"
        line = f"{self._verb} {self._done}/{self._total} {self._unit}  {seconds}"
        self._messages.state_pace(line + (f", {text}" if text else ""), self.bar is not None)
        self.show()

    def show(self) -> None:
        """Draw the bar; without one write a line now and then."""
        self._last = time.perf_counter()
        if self.bar is not None:
            with self._messages.lock:
                self.bar.n = self.pace.part
                self.bar.set_postfix_str(", ".join(self._facts()), refresh=True)
        if self._last - self._line >= (VERBOSE if self._messages.verbose else SELDOM):
            self._line = self._last
            facts = ", ".join([f"{100 * self.pace.part:.0f} %", *self._facts()])
            self._messages.state_pace(f"{self._verb} {facts}", self.bar is not None)

    def _facts(self) -> list[str]:
        """Where the work is: piece, iteration, time, time left."""
        pace, compiler = self.pace, self._messages.compiler
        facts = [fact for fact in (self._at, self._text) if fact]
        if compiler.busy:
            return [*facts, f"compiling kernels {format_duration(compiler.seconds)}"]
        facts.append(format_duration(pace.seconds))
        if pace.is_known and pace.part < 1:
            bound = "" if self._foreseen else "at most "
            facts.append(f"{bound}{format_duration(pace.remaining())} left")
        return facts

    def _has_changed(self) -> bool:
        """Whether the time that was stated is far from that expected now, and much is left."""
        left = self.pace.left()
        ratio = (self.pace.seconds + left) / self._stated if self._stated else 1.0
        return left > ANNOUNCED and not 1 / AGAIN <= ratio <= AGAIN

    @property
    def _foreseen(self) -> bool:
        """Whether the end is expected where it is computed, and not at the limit of iterations."""
        return not self._open or self.pace.foreseen

    def _announce(self) -> None:
        """State the work and its time, unless it is little.

        Where a rule may end the iterations, it is waited for a few seconds until it is foreseen
        when; a bound is stated otherwise, and the time later.  It is stated again where it has
        changed: later iterations may take longer than the first."""
        pace = self.pace
        if not pace.is_known or not self._what:
            return
        foreseen = self._foreseen
        if self._announced == "about" and not (foreseen and self._has_changed()):
            return
        if not foreseen and (self._announced or pace.seconds < FORESEEN):
            return
        expected, most = pace.seconds + pace.left(), pace.seconds + pace.left(at_most=True)
        short = most < ANNOUNCED and not self._announced
        self._announced, self._stated = "about" if foreseen or short else "at most", expected
        if short:
            return
        times = f"at most {format_duration(most)}"
        if foreseen:
            bound = f", {times}" if self._open else ""
            times = f"about {format_duration(expected)}{bound}"
        else:
            times += f", {LESS}"
        self._messages.note(f"{self._what}: {times}")


def as_json(values: Any) -> str:
    """Values as JSON: plain numbers, null for those that are not finite, paths as text."""
    return json.dumps(_plain(values), allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if value is None or isinstance(value, bool | str):
        return value
    if hasattr(value, "tolist"):  # of NumPy
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Sequence | set | frozenset):
        return [_plain(one) for one in value]
    return value if isinstance(value, int) else str(value)


class NoMessages(Messages):
    """Prints nothing: for programs that call `run` themselves."""

    def __init__(self) -> None:
        super().__init__(quiet=True)

    def _print(self, text: str, stream: Any) -> None:
        pass

    @contextmanager
    def progress(
        self, verb: str, total: int, unit: str, done: int = 0, every: bool = True
    ) -> Iterator[Progress]:
        yield Progress(self, verb, total, unit, done)

    @contextmanager
    def watched(self) -> Iterator[None]:
        yield
