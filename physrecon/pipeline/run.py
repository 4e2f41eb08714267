"""The pipeline from a job to its result, the same for every kind of job.

open → plan → preflight → survey → resolve → pieces, one after the other → OUT"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from physrecon.cancellation import cancellation_point
from physrecon.errors import Interrupted
from physrecon.io.opened import UnchangedFiles
from physrecon.jobs.model import Job
from physrecon.pipeline.messages import Messages, NoMessages, announce_compilation
from physrecon.pipeline.model_check import doubts
from physrecon.pipeline.plan import Plan, make_plan
from physrecon.pipeline.preflight import check_method, check_output, require_machine
from physrecon.pipeline.task import Sink, Task
from physrecon.preprocess.defects import Repairs

# kind of job → the task that carries it out
TASKS = {"reconstruct": "scan.task:ScanTask", "deconvolve": "image.task:ImageTask"}


def run(job: Job, messages: Messages | None = None) -> Path:
    """Carry out a job and return the path of its result.

    Finished pieces of an earlier run of the same job on the same input are kept as they are.
    Raises the errors of `physrecon.errors`; Interrupted if stopped with finished pieces."""
    messages = messages or NoMessages()
    with open_task(job, messages) as task, announce_compilation(messages):
        warnings = task.warnings()
        messages.introduce(task.summary(), task.notes, warnings)
        plan = make_plan(task)
        inputs = UnchangedFiles(filter(Path.is_file, plan.footprint.outputs.inputs))
        check_output(job, plan.footprint.outputs, plan.words.output)
        check_method(task.job, task.trial(), task.methods)
        for sentence in task.survey():
            messages.warn(sentence)
        task = task.resolved(messages)
        with task.open_sink(plan.footprint) as sink:
            try:
                mended = _make_pieces(task, plan, sink, inputs, messages)
                inputs.require()
                sink.finish_if_complete()
            except KeyboardInterrupt:
                raise _stopped(plan, sink) from None
    for sentence in mended.sentences():
        messages.note(sentence)
    for sentence in doubts(sink.facts):
        messages.warn(sentence)
    output, need = job.output, plan.footprint
    for path in filter(Path.exists, need.outputs.files[1:2]):
        messages.result(f"{path}: {need.beside}")
    view = f"physrecon view {shlex.quote(str(output))}"
    messages.result(f"{output}: {need.result} — open with `{view}`")
    return output


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


def _make_pieces(
    task: Task, plan: Plan, sink: Sink, inputs: UnchangedFiles, messages: Messages
) -> Repairs:
    """Make and write the pieces that are not on the disk yet; return the repairs of their data.

    Raises ReadError, before a piece is written, if an input has changed since the run began."""
    words, mended = plan.words, Repairs()
    todo = [piece for piece in plan.pieces if not sink.done(piece.index)]
    total = sum(piece.units for piece in plan.pieces)
    done = total - sum(piece.units for piece in todo)
    if done:
        messages.note(f"{done} of {total} {words.unit} are finished already")
    with messages.progress(words.verb, total, words.unit, done) as progress:
        for piece in todo:
            cancellation_point()
            outcome = task.make(plan.footprint, piece, progress.within(piece.units))
            inputs.require()  # again: a network share may show a change seconds after a read
            sink.write(piece.index, outcome.values, outcome.facts, **outcome.extras)
            mended += outcome.repairs
            reason = outcome.reason
            del outcome  # before the next piece needs its memory
            progress.advance(piece.units, reason)
    return mended


def _stopped(plan: Plan, sink: Sink) -> Interrupted:
    output, words, count = plan.job.output, plan.words, len(plan.pieces)
    if count == 1:
        return Interrupted(
            f"{output}: stopped before its only {words.piece} was finished, nothing is kept"
            f"{words.hint}"
        )
    kept = sum(sink.done(piece.index) for piece in plan.pieces)
    return Interrupted(
        f"{output}: stopped, {kept} of {count} {words.piece}s are kept; "
        "run the same command again to go on"
    )
