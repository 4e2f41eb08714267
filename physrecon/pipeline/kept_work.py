"""The work in hand, kept beside OUT: a run that is stopped goes on within the piece in work.

OUT.state holds the state of the solver in that piece, and its first bytes name the piece, the job,
the input and the versions that it belongs to.  Nothing else goes on from it: it is replaced.  It
appears by rename, so a kill leaves the old one or the new one, whole.

    on a signal            after the iteration in work
    for a kill, a crash    now and then: seldom enough to cost at most `SHARE` of the time, but at
                           least every `MOST` seconds

The solutions of the search for the weight of a prior, and the weight once it is chosen, are kept in
the same file."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from physrecon.arrays import vectors
from physrecon.cancellation import stop_requested
from physrecon.errors import DataError, WriteError
from physrecon.io.atomic_file import remove_temporary
from physrecon.io.sealed_file import label_of
from physrecon.pipeline.checkpoint import read_state, read_states, write_state, write_states
from physrecon.pipeline.messages import Messages
from physrecon.solvers.state import State

SHARE = 0.02  # of the time, for writing states
LEAST, MOST = 20.0, 600.0  # seconds between two states
DISK = 1e8  # bytes/s, assumed before the first state is written
NOTHING = "-"


class Label(NamedTuple):
    """piece: digest of all that determines it.  job: of all that determines the weight."""

    piece: str = NOTHING
    job: str = NOTHING
    weight: str = NOTHING

    def __str__(self) -> str:
        return " ".join(["physrecon", *self])


def state_path(output: Path) -> Path:
    """The file of the work in hand of an unfinished OUT: OUT.state."""
    return Path(f"{output}.state")


def is_ours(path: Path) -> bool:
    """Whether a file holds the work in hand of a run that was stopped."""
    return _label(path) is not None


def refusal(path: Path) -> str | None:
    """The error for a file at the place of the work in hand that is not ours, else None."""
    if not (path.is_symlink() or path.exists()) or _label(path):
        return None
    return (
        f"{path}: expected no file, or the work in hand of an earlier run, got another; move it "
        "away or choose another name for the output"
    )


def digest(*facts: Any) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


class KeptWork:
    """The file OUT.state of a run."""

    def __init__(self, output: Path, messages: Messages) -> None:
        self.path, self.messages = state_path(output), messages
        self._found = _label(self.path) or Label()
        self._mine = Label()  # what this run writes
        self._works = True
        self._seconds = 0.0  # that writing the last state took
        self._last = time.monotonic()  # when the file was written
        self._kept = 0  # solutions in the file
        self.iteration = 0  # of the state in the file, if it is this run's
        self.asked = False  # a signal came in the last iteration

    # The weight -------------------------------------------------------------------------------

    def weight(self, job: str) -> float | None:
        """The weight that an earlier run of this job has chosen."""
        self._mine = self._mine._replace(job=job)
        if self._found.job != job or self._found.weight == NOTHING:
            return None
        self._mine = self._mine._replace(weight=self._found.weight)
        return float(self._found.weight)

    def solutions(self, device: str) -> list[Any]:
        """The solutions of the search for the weight of this job, as far as it came."""
        self._last = time.monotonic()
        if self._found != self._mine:
            return []
        try:
            found = read_states(self.path, device)
        except (DataError, OSError) as error:
            self.messages.warn(f"{error}  It is not used")
            return []
        self.messages.note(f"{self.path.name}: going on after {len(found)} fits for the weight")
        self._kept = len(found)
        return found

    def keep_solutions(self, solutions: Sequence[Any], now: bool = False) -> None:
        """Keep the solutions if there are new ones, and it is time to, or `now`."""
        new = len(solutions) > self._kept
        if new and (now or time.monotonic() - self._last >= LEAST):
            self._write(partial(write_states, self.path, solutions))
            self._kept = len(solutions)

    def keep_weight(self, weight: float) -> None:
        """Keep the weight that was chosen."""
        self._mine = self._mine._replace(weight=repr(weight))
        self._write(partial(write_states, self.path, ()))

    # The piece in work ------------------------------------------------------------------------

    def expect(self, pieces: Collection[str]) -> None:
        """Say so if the file belongs to none of the pieces that are to be made."""
        if self._found.piece not in (NOTHING, *pieces):
            self.messages.note(f"{self.path.name}: of another job, input or version, not used")

    def begin(self, piece: str) -> None:
        """A piece begins; its digest says which."""
        self._mine = self._mine._replace(piece=piece)
        self.iteration, self.asked, self._last = 0, False, time.monotonic()

    def state(self, device: str, like: Any) -> State | None:
        """The state to go on from, None to start with the first iteration.

        like: an array of the host; those of the state are on the disk if it is."""
        if self._found.piece != self._mine.piece:
            return None
        self._found = Label()
        try:
            state = read_state(self.path, device, like)
        except (DataError, OSError) as error:
            self.messages.warn(f"{error}  It is not used")
            return None
        self.iteration = state.iteration
        self.messages.note(f"{self.path.name}: going on after iteration {state.iteration}")
        return state

    def after(self, state: State) -> bool:
        """Keep the state after an iteration if it is time to; whether the run shall stop."""
        self.asked = stop_requested()
        if self.asked or self._is_time(state):
            began = time.monotonic()
            if self._write(partial(write_state, self.path, state)):
                self.iteration = state.iteration
            self._seconds = self._last - began
        return self.asked

    def drop_state(self) -> None:
        """The piece is finished, and on the disk."""
        self._mine = self._mine._replace(piece=NOTHING)
        if self.iteration and self._mine == Label():
            self.remove()
        elif self.iteration:
            self._write(partial(write_states, self.path, ()))
        self.iteration = 0

    def discard(self) -> None:
        """The job or its data are wrong, and so is what it has kept; leaves that of another."""
        if _label(self.path) == self._mine:
            self.remove()

    def remove(self) -> None:
        """The work is done.  Leaves a file that is not ours."""
        if _label(self.path):
            self.path.unlink(missing_ok=True)
            remove_temporary(self.path.parent, self.path.name)

    def _is_time(self, state: State) -> bool:
        passed = time.monotonic() - self._last
        if not self._works or passed < LEAST:
            return False
        cost = self._seconds or state_bytes(state) / DISK
        return passed >= min(cost / SHARE, MOST)

    def _write(self, write: Callable[..., None]) -> bool:
        """Write the file by write(label); whether it is written.  A full disk ends no run."""
        if not self._works or refusal(self.path):
            return False
        try:
            write(label=str(self._mine))
        except (OSError, WriteError) as error:
            self._works = False
            self.messages.warn(
                f"{self.path.name}: the work in hand is not kept, for the disk says "
                f"{getattr(error, 'strerror', None) or error}; a run that is stopped begins the "
                "piece in work again"
            )
        self._last = time.monotonic()
        return self._works


class NothingKept(KeptWork):
    """The place of work that takes no long time: nothing is read, nothing is written."""

    def __init__(self, messages: Messages) -> None:
        super().__init__(Path("-"), messages)
        self._found, self._works = Label(), False


def state_bytes(state: State) -> int:
    """Bytes of the arrays of a state."""
    leaves = [leaf for value in vars(state).values() for leaf in _leaves(value)]
    return sum(leaf.nbytes for leaf in leaves)


def _leaves(value: Any) -> list[Any]:
    found = vectors.leaves(value) if isinstance(value, tuple) or hasattr(value, "nbytes") else []
    return [leaf for leaf in found if hasattr(leaf, "nbytes")]


def _label(path: Path) -> Label | None:
    """The label of a file of ours; None for another, a link, or no file."""
    try:
        words = [] if path.is_symlink() or not path.is_file() else label_of(path).split()
    except OSError:
        return None
    if words[:1] != ["physrecon"] or len(words) != 1 + len(Label()):
        return None
    return Label(*words[1:])
