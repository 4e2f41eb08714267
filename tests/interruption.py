"""A user who stops a run."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager

from physrecon.pipeline.messages import NoMessages, Progress


class StopAfter(NoMessages):
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


class Steps(NoMessages):
    """Counts iterations, and sends SIGTERM to this process after some of them."""

    def __init__(self, signal_after=None):
        super().__init__()
        self.signal_after, self.steps, self.notes = signal_after, [], []

    def note(self, text):
        self.notes.append(text)

    warn = note

    @contextmanager
    def progress(self, *args):
        with super().progress(*args) as progress:
            partial = progress.partial

            def counted(part, text="", *more):
                partial(part, text, *more)
                if "iteration" in text or "weight" in text:
                    self.steps.append(text)
                    if len(self.steps) == self.signal_after:
                        os.kill(os.getpid(), signal.SIGTERM)

            progress.partial = counted
            yield progress
