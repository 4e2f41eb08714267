"""Completion of words in a shell, by argcomplete."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("argcomplete")


@pytest.mark.parametrize(
    "line, words",
    [
        ("physrecon rec", {"recon"}),
        ("physrecon recon --iter", {"--iterations"}),
        ("physrecon recon s.h5 --method cg", {"cgls"}),
        ("physrecon recon s.h5 --filter ha", {"hamming", "hann"}),
    ],
)
def test_words_are_completed(line, words, here):
    asked = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line))}
    asked |= {"_ARGCOMPLETE_IFS": "\n", "_ARGCOMPLETE_SHELL": "bash"}
    program = [sys.executable, "-m", "physrecon"]
    command = ["bash", "-c", '"$@" 8>&1 >/dev/null', "-", *program]
    made = subprocess.run(command, env=os.environ | asked, capture_output=True, text=True)
    assert {word.strip() for word in made.stdout.splitlines()} == words, made.stderr
