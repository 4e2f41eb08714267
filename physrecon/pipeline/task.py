"""The contract between the pipeline and the jobs it runs: tasks, pieces, outcomes, sinks.

    job → task → plan → resolved task → pieces → sink → OUT

`run` handles pieces and sinks; a task reads, corrects and solves one piece.  A resolved task and
the number of a piece determine every byte of that piece."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol, Self

from numpy.typing import NDArray

from physrecon.pipeline.kept_work import KeptWork
from physrecon.pipeline.messages import Messages
from physrecon.pipeline.preflight import Outputs
from physrecon.pipeline.work import PieceWork
from physrecon.preprocess.defects import Repairs
from physrecon.problem import Problem


@dataclass(frozen=True)
class Piece:
    """A part of the result that is computed and kept on its own.

    place: slices of the volume, or the index of a frame in the result.  units: its share of the
    progress bar."""

    index: int
    place: Any
    units: int = 1


@dataclass(frozen=True)
class Footprint:
    """The resources that a job needs, and the files that it writes.

    shape, unit, output_bytes, result: shape, unit of the values, size and description of OUT.
    outputs: all files that are read or written; beside: those beside OUT, each with its content in
    words.  peak: bytes of memory in use at most.
    found: number of pieces of an earlier run on the disk; usable: they are cut like these.
    lines: the cut, in sentences for the user.
    work: bytes that the operator may use, None for no limit.  scratch: bytes of temporary arrays
    on the disk, of which `resident` are in memory at a time.  state: bytes of the state of a solver
    at most, which is on the disk while a piece is in work."""

    pieces: tuple[Piece, ...]
    shape: tuple[int, ...]
    output_bytes: int
    result: str
    outputs: Outputs
    peak: int
    unit: str = ""
    beside: Mapping[Path, str] = field(default_factory=dict)
    found: int = 0
    usable: bool = False
    lines: tuple[str, ...] = ()
    work: int | None = None
    scratch: int = 0
    resident: int = 0
    state: int = 0


class Outcome(NamedTuple):
    """A piece as it was computed.

    reason: why the solver stopped.  repairs: data that were repaired.  extras: further arrays by
    name, such as the PSF of a blind deconvolution.  facts: texts by name about the whole result."""

    values: Any
    reason: str = ""
    repairs: Repairs = Repairs()
    extras: Mapping[str, NDArray[Any]] = {}
    facts: Mapping[str, str] = {}


class Sink(Protocol):
    """Stores finished pieces, and writes OUT when all are finished.

    facts: those of all pieces, once OUT is written."""

    facts: dict[str, str]

    def done(self, piece: int) -> bool:
        """Whether this job's piece is on the disk and every byte of it reads back."""

    def write(
        self, piece: int, values: Any, facts: Mapping[str, str], **extras: NDArray[Any]
    ) -> None:
        """Write a piece and its facts; when this returns, they survive a kill.

        Raises WriteError."""

    def finish_if_complete(self) -> bool:
        """Write OUT if all pieces are finished; return whether they were."""


@dataclass(frozen=True)
class Words:
    """Names for progress and messages: `recon 3/8 slices`, in slabs."""

    verb: str
    unit: str
    piece: str
    output: str  # an example of a name


class Task(Protocol):
    """An opened job: its input can be read, and nothing expensive has been done.

    job: with its number of iterations.  notes: on the input.  methods: iterative methods to propose
    in place of the job's.  found: texts by name on what was found in the data, and how."""

    words: ClassVar[Words]
    job: Any
    notes: tuple[str, ...]
    methods: tuple[str, ...]
    found: dict[str, str]

    @classmethod
    def open(cls, job: Any) -> AbstractContextManager[Self]:
        """The task of a job.  Raises MissingInputError, DataError, ArgumentError."""

    def summary(self) -> list[str]:
        """The input, in lines."""

    def warnings(self) -> list[str]:
        """Warnings about the input.  Raises ArgumentError or DataError if the job cannot run."""

    def footprint(self, budget: int) -> Footprint:
        """The pieces and resources of the job within `budget` bytes.  Raises ArgumentError."""

    def trial(self) -> Problem | None:
        """A tiny problem of the same kind, to see whether an iterative method can solve it."""

    def survey(self) -> list[str]:
        """Warnings that need the data to be read.  Raises DataError if they are unusable."""

    def identity(self) -> str:
        """Digest of the job, its input and the versions; the input is read."""

    def inputs(self) -> dict[str, str]:
        """Digests of the data of the job, by name."""

    def resolved(self, messages: Messages, kept: KeptWork) -> Self:
        """The task with all automatic settings replaced by values found in the data.

        Reads nothing if the job has no automatic settings.  kept: what a run that was stopped has
        found already."""

    def make(self, footprint: Footprint, piece: Piece, work: PieceWork) -> Outcome:
        """Read, correct and solve one piece."""

    def open_sink(self, footprint: Footprint) -> AbstractContextManager[Sink]:
        """The sink of the pieces.  Raises OutputError."""
