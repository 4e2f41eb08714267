"""Messages of a run to its user: results on stdout, progress and problems on stderr.

On a terminal progress is a bar, followed by the reasons why the solver stopped; in a log it is one
line per piece.  `NoMessages` prints nothing."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

PieceProgress = Callable[[float, str], Any]  # called with (fraction done, text)
_BAR = "{desc} {bar:20} {n:.0f}/{total:.0f} {unit}  {elapsed_s:.1f} s{postfix}"


class Messages:
    """Prints to the current sys.stdout and sys.stderr, so that a redirection is honoured."""

    _bar: Any = None
    _compiled = False

    def result(self, text: str) -> None:
        """Print a line of the result, which may be piped onwards."""
        self._print(text, sys.stdout)

    def note(self, text: str) -> None:
        """Print an explanation."""
        self._print(text, sys.stderr)

    def warn(self, text: str) -> None:
        """Print a warning."""
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

    def compiling(self) -> None:
        """Announce compilation, once."""
        if not self._compiled:
            self._compiled = True
            self.note("compiling kernels for this method and size; later runs find them ready")

    @contextmanager
    def progress(self, what: str, total: int, unit: str, done: int = 0) -> Iterator[Progress]:
        """Show progress over `total` units of work, of which `done` are finished already."""
        if not sys.stderr.isatty():
            yield Progress(self, None, what, total, unit, done)
            return
        from tqdm import tqdm

        room = shutil.get_terminal_size()  # tqdm shows nothing if a terminal states no size
        self._bar = tqdm(
            total=total,
            initial=done,
            desc=what,
            unit=unit,
            bar_format=_BAR,
            file=sys.stderr,
            ncols=room.columns - 1,
            nrows=room.lines,
        )
        progress = Progress(self, self._bar, what, total, unit, done)
        try:
            yield progress
        finally:
            self._bar.close()
            self._bar = None
            for text, units in progress.texts.items():
                self.note(text if len(progress.texts) == 1 else f"{units} {unit}: {text}")

    def _print(self, text: str, stream: Any) -> None:
        if self._bar is None:
            print(text, file=stream, flush=True)
        else:
            self._bar.write(text, file=stream)


class Progress:
    """One piece of work under way: `partial` within a step, `advance` at its end."""

    def __init__(
        self, messages: Messages, bar: Any, what: str, total: int, unit: str, done: int
    ) -> None:
        self._messages, self._bar = messages, bar
        self._what, self._total, self._unit, self._done = what, total, unit, done
        self._start = time.perf_counter()
        self.texts: dict[str, int] = {}  # how steps ended → units of work that ended so

    def partial(self, units: float, text: str = "") -> None:
        """`units` (may be a fraction) of the present step are done."""
        if self._bar is not None:
            self._bar.set_postfix_str(text, refresh=False)
            self._bar.update(self._done + units - self._bar.n)

    def within(self, units: int) -> PieceProgress:
        """The progress callback of one step of `units`; it takes the fraction that is done."""
        return lambda fraction, text: self.partial(units * fraction, text)

    def advance(self, units: int, text: str = "") -> None:
        """A step of `units` is finished."""
        self._done += units
        if text:
            self.texts[text] = self.texts.get(text, 0) + units
        if self._bar is not None:
            self._bar.set_postfix_str("", refresh=False)
            self._bar.n = self._done
            self._bar.refresh()
        else:
            seconds = time.perf_counter() - self._start
            self._messages.note(
                f"{self._what} {self._done}/{self._total} {self._unit}  {seconds:.1f} s"
                + (f", {text}" if text else "")
            )


class NoMessages(Messages):
    """Prints nothing: for programs that call `run` themselves."""

    def _print(self, text: str, stream: Any) -> None:
        pass

    @contextmanager
    def progress(self, what: str, total: int, unit: str, done: int = 0) -> Iterator[Progress]:
        yield Progress(self, None, what, total, unit, done)


@contextmanager
def announce_compilation(messages: Messages) -> Iterator[None]:
    """Announce compilation if the compiler is at work within the block."""
    from numba.core import event

    class Compiling(event.Listener):
        def on_start(self, event: Any) -> None:
            messages.compiling()

        def on_end(self, event: Any) -> None:
            pass

    with event.install_listener("numba:compile", Compiling()):
        yield
