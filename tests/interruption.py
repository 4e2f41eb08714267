"""A user who stops a run."""

from __future__ import annotations

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
