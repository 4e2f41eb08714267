"""Signals to the command line, and warnings of libraries beside its messages."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest

from physrecon.cancellation import (
    cancel_on_signals,
    cancellation_point,
    postponed,
    stop_requested,
)
from physrecon.cli import commands
from physrecon.cli.main import main

pytestmark = pytest.mark.thorough

SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)


def send(number):
    os.kill(os.getpid(), number)


@SIGNALS
def test_a_signal_is_seen_at_the_next_point_and_nowhere_else(number):
    before = signal.getsignal(number)
    with cancel_on_signals():
        send(number)
        reached = [i for i in range(1000)]  # no exception within
        with pytest.raises(KeyboardInterrupt):
            cancellation_point()
        cancellation_point()  # once for a request: what follows may use kernels
    assert len(reached) == 1000 and signal.getsignal(number) is before
    cancellation_point()


@SIGNALS
def test_a_block_that_is_postponed_ends_by_itself(number):
    with cancel_on_signals():
        with postponed():
            send(number)
            cancellation_point()  # does not raise
            assert stop_requested()
        with pytest.raises(KeyboardInterrupt):
            cancellation_point()
        assert not stop_requested()


@SIGNALS
def test_a_signal_within_a_callback_is_not_lost(number):
    """An exception in the callback of a weak reference is printed and forgotten."""
    import weakref

    class Thing:
        pass

    thing = Thing()
    with cancel_on_signals():
        reference = weakref.ref(thing, lambda _: send(number))
        del thing
        assert reference() is None
        with pytest.raises(KeyboardInterrupt):
            cancellation_point()


def test_without_the_command_line_ctrl_c_is_pythons():
    with pytest.raises(KeyboardInterrupt):
        send(signal.SIGINT)
        time.sleep(1)


def test_an_ignored_signal_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with cancel_on_signals():
            send(signal.SIGINT)
            cancellation_point()
    finally:
        signal.signal(signal.SIGINT, before)


def test_importing_the_library_installs_no_handler():
    code = (
        "import signal, physrecon as pr; pr.solve, pr.fbp, pr.Projector;"
        "print(signal.getsignal(signal.SIGINT) is signal.default_int_handler,"
        "      signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout.split() == ["True", "True"]


# The main thread is in a C function for a minute, and Python calls no handler meanwhile.
DEAF = """
import ctypes, sys
from physrecon import cancellation
cancellation.GRACE = float(sys.argv[1])
with cancellation.cancel_on_signals(at_end=True):
    cancellation.cancellation_point()
    c = getattr(ctypes, sys.argv[2])(None)  # PyDLL holds the lock of Python, CDLL does not
    text = ctypes.create_string_buffer(1 << 28)
    ctypes.memset(text, 1, (1 << 28) - 1)
    print("ready", flush=True)
    c.qsort(text, 1 << 27, 1, c.strcmp)
"""


@pytest.fixture
def deaf():
    """A function that starts such a process; it is killed after the test, deaf as it is."""
    started = []

    def start(library, grace, code=DEAF):
        running = subprocess.Popen(
            [sys.executable, "-c", code, str(grace), library],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(running)
        assert running.stdout.readline() == "ready\n"
        time.sleep(0.5)
        return running

    yield start
    for running in started:
        running.kill()
        running.communicate()


@pytest.mark.skipif(sys.platform != "linux", reason="needs sysv_signal")
@SIGNALS
@pytest.mark.parametrize("library", ["PyDLL", "CDLL"])
def test_a_second_signal_ends_a_c_function(number, library, deaf):
    running = deaf(library, 60)
    for _ in range(2):
        assert running.poll() is None
        running.send_signal(number)
        time.sleep(0.2)
    assert running.wait(5) == -number
    assert "Traceback" not in running.stderr.read()


@pytest.mark.skipif(sys.platform != "linux", reason="needs qsort")
@SIGNALS
def test_a_step_that_takes_too_long_is_given_up(number, deaf):
    running = deaf("CDLL", 0.5)
    running.send_signal(number)
    assert running.wait(10) == 75
    assert "run the same command again" in running.stderr.read()


@SIGNALS
def test_a_program_that_is_being_loaded_ends_at_once(number, deaf):
    running = deaf("CDLL", 60, DEAF.replace("    cancellation.cancellation_point()\n", ""))
    running.send_signal(number)
    assert running.wait(10) == 75
    assert "before it began" in running.stderr.read()


@SIGNALS
def test_a_stopped_program_ends_without_its_last_rites(number):
    """To unload the libraries takes seconds on a busy machine."""
    code = f"""
import atexit, os, sys
from physrecon import __main__
from physrecon.cancellation import cancellation_point
from physrecon.cli import commands

def info(*_, **options):
    cancellation_point()
    print("begun")
    os.kill(os.getpid(), {int(number)})
    cancellation_point()

commands.info = info
atexit.register(print, "unloaded")
sys.argv[1:] = ["info", "x.h5"]
__main__.program()
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert run.returncode == 75
    assert run.stdout == "begun\n" and run.stderr.startswith("error: stopped")


def test_warnings_of_libraries_stay_off_the_terminal(monkeypatch, capsys):
    def info(messages, files, **options):
        np.log(np.zeros(1))
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        logging.getLogger("tifffile").warning("odd tag")
        return 0

    monkeypatch.setattr(commands, "info", info)
    assert main(["info", "scan.h5"]) == 0
    assert capsys.readouterr() == ("", "")
    assert main(["info", "scan.h5", "--debug"]) == 0
    said = capsys.readouterr().err
    assert "divide by zero" in said and "odd tag" in said


def test_our_warnings_are_one_line(monkeypatch, capsys):
    from physrecon.kernels._cache import CacheWarning

    def info(messages, files, **options):
        warnings.warn("compiled kernels are not kept", CacheWarning, stacklevel=1)
        return 0

    monkeypatch.setattr(commands, "info", info)
    assert main(["info", "scan.h5"]) == 0
    assert capsys.readouterr() == ("", "warning: compiled kernels are not kept\n")
