"""The pipeline from a job to its result, the same for every kind of job.

open → plan → preflight → survey → resolve → pieces, one after the other → OUT"""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from physrecon.cancellation import cancellation_point
from physrecon.errors import (
    ArgumentError,
    ConfigError,
    DataError,
    Interrupted,
    OutputError,
    ReadError,
)
from physrecon.io.made import with_stop
from physrecon.io.opened import UnchangedFiles
from physrecon.io.units import as_printed
from physrecon.jobs.model import Job
from physrecon.pipeline.history import History
from physrecon.pipeline.kept_work import KeptWork, digest
from physrecon.pipeline.messages import Messages, NoMessages, PieceProgress
from physrecon.pipeline.model_check import doubts
from physrecon.pipeline.plan import Plan, make_plan, may_end, work_in_words
from physrecon.pipeline.preflight import check_method, check_output, require_machine
from physrecon.pipeline.provenance import facts_of_run, in_the_way, is_done, result_record
from physrecon.pipeline.task import Outcome, Piece, Sink, Task
from physrecon.pipeline.work import PieceWork
from physrecon.preprocess.defects import Repairs

# kind of job → the task that carries it out
TASKS = {"reconstruct": "scan.task:ScanTask", "deconvolve": "image.task:ImageTask"}


def run(job: Job, messages: Messages | None = None) -> Path:
    """Carry out a job and return the path of its result.

    Finished pieces of an earlier run of the same job on the same input are kept as they are, and so
    is its finished result, unless the job overwrites it.  Raises the errors of `physrecon.errors`;
    Interrupted if stopped with finished pieces."""
    messages, began = messages or NoMessages(), time.perf_counter()
    with open_task(job, messages) as task, messages.watched():
        there = not job.overwrite and os.path.lexists(job.output)
        done = there and is_done(job, task.identity())
        if done:
            say = "done already, of this very job and input; --overwrite does it again"
            messages.result(f"{job.output}: {say}")
        else:
            if there and (other := _of_another_job(task)):
                raise OutputError(
                    f"{job.output}: expected a new file, got {other}; choose another name or pass "
                    "--overwrite"
                )
            _carry_out(task, messages)
    if messages.json:
        record = result_record(job, done, time.perf_counter() - began)
        messages.record("result", record | {"warnings": messages.warned})
    return job.output


def _carry_out(task: Task, messages: Messages) -> None:
    job, kept = task.job, KeptWork(task.job.output, messages)
    warnings = task.warnings()
    messages.introduce(task.summary(), task.notes, warnings)
    plan = make_plan(task)
    for line in plan.lines()[len(plan.summary) :]:
        messages.detail(line)
    need = plan.footprint
    inputs = UnchangedFiles(filter(Path.is_file, need.outputs.inputs))
    check_output(job, need.outputs, plan.words.output)
    check_method(job, task.trial(), task.methods)
    for sentence in task.survey():
        messages.warn(sentence)
    facts = facts_of_run(task.identity())
    with _useless_if_wrong(kept):
        task = task.resolved(messages, kept)
        with task.open_sink(need) as sink:
            try:
                work = Work(plan, sink, inputs, messages, kept, facts | task.found)
                mended = _make_pieces(task, work)
                inputs.require()
                sink.finish_if_complete()
                kept.remove()
            except KeyboardInterrupt:
                raise _stopped(plan, sink, kept) from None
    for sentence in mended.sentences():
        messages.note(sentence)
    for sentence in doubts(sink.facts):
        messages.warn(sentence)
    if stored := sink.facts.get("stored"):
        messages.note(f"stored as {as_printed(stored)}")
    if clipped := sink.facts.get("clipped"):
        messages.warn(f"out_range: {clipped}, are clipped; give a wider range, or none for all")
    for path, content in need.beside.items():
        if path.exists():
            messages.result(f"{path}: {content}")
    view = f"physrecon view {shlex.quote(str(job.output))}"
    messages.result(f"{job.output}: {need.result} — open with `{view}`")


def _of_another_job(task: Task) -> str:
    """In words, how the result in OUT differs from that of the task; "" if it is none of ours."""
    job = task.job
    inputs = make_plan(task).footprint.outputs.inputs
    if any(path.exists() and path.samefile(job.output) for path in inputs):
        return ""
    return in_the_way(job, task.inputs(), task.identity())


def plan(job: Job, messages: Messages | None = None) -> Plan:
    """The plan of a job; nothing is computed."""
    messages = messages or NoMessages()
    with open_task(job, messages) as task:
        messages.introduce((), task.notes, task.warnings())
        planned = make_plan(task)
        check_method(task.job, task.trial(), task.methods)
        return planned


@contextmanager
def open_task(job: Job, messages: Messages | None = None) -> Iterator[Task]:
    """The task of a job, whatever its kind.  Raises DeviceError, MissingInputError, DataError."""
    require_machine(job, messages)
    module, _, name = TASKS[job.kind].partition(":")
    with getattr(import_module(f"physrecon.pipeline.{module}"), name).open(job) as task:
        yield task


@contextmanager
def _useless_if_wrong(kept: KeptWork) -> Iterator[None]:
    """Remove the work in hand if the data or the job turn out to be wrong."""
    try:
        yield
    except ReadError:
        raise
    except (DataError, ArgumentError, ConfigError):
        kept.discard()
        raise


class Work(NamedTuple):
    """All that the pieces of a run share.  facts: texts by name, stored with each of them."""

    plan: Plan
    sink: Sink
    inputs: UnchangedFiles
    messages: Messages
    kept: KeptWork
    facts: dict[str, str]


def _make_pieces(task: Task, work: Work) -> Repairs:
    """Make and write the pieces that are not on the disk yet; return the repairs of their data.

    Raises ReadError, before a piece is written, if an input has changed since the run began."""
    plan, sink, kept = work.plan, work.sink, work.kept
    words, mended = plan.words, Repairs()
    todo = [piece for piece in plan.pieces if not sink.done(piece.index)]
    total = sum(piece.units for piece in plan.pieces)
    done = total - sum(piece.units for piece in todo)
    if done:
        work.messages.note(f"{done} of {total} {words.unit} are finished already")
    identity = task.identity()
    names = {piece.index: digest(identity, str(piece.place)) for piece in todo}
    kept.expect(names.values())
    history = History(task.job, words.piece, len(plan.pieces))
    with work.messages.progress(words.verb, total, words.unit, done) as progress:
        progress.describe(
            work_in_words(task.job, words, todo), words.piece, len(plan.pieces), may_end(task.job)
        )
        for piece in todo:
            cancellation_point()
            kept.begin(names[piece.index])
            outcome = _made(task, work, piece, history, progress.within(piece.units, piece.index))
            kept.drop_state()
            mended += outcome.repairs
            progress.advance(piece.units, outcome.reason)
    history.draw()
    return mended


def _made(task: Task, work: Work, piece: Piece, history: History, step: PieceProgress) -> Outcome:
    """Make a piece and write it; returns its outcome without the values, which need memory."""
    sink, facts = work.sink, work.facts
    with PieceWork(step, work.kept, task.job.device) as solving:
        try:
            outcome = task.make(work.plan.footprint, piece, solving)
        finally:
            history.add(piece.index, solving.history)
        work.inputs.require()  # again: a network share may show a change seconds after a read
        if solving.iterations:
            facts = facts | with_stop(sink.facts, piece.index, solving.iterations, outcome.reason)
        sink.write(piece.index, outcome.values, {**facts, **outcome.facts}, **outcome.extras)
    return outcome._replace(values=None, extras={})


def _stopped(plan: Plan, sink: Sink, work: KeptWork) -> Interrupted:
    output, words, count = plan.job.output, plan.words, len(plan.pieces)
    inside = f"iteration {work.iteration} of the {words.piece} in work" if work.iteration else ""
    again = "run the same command again to go on"
    if count == 1:
        if not inside:
            return Interrupted(
                f"{output}: stopped before its only {words.piece} was finished, nothing is kept"
            )
        return Interrupted(f"{output}: stopped, {inside} is kept in {work.path.name}; {again}")
    kept = sum(sink.done(piece.index) for piece in plan.pieces)
    of = f"{kept} of {count} {words.piece}s" + (f" and {inside}" if inside else "")
    return Interrupted(f"{output}: stopped, {of} are kept; {again}")
