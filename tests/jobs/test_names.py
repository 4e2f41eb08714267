"""Names that no file can have, and numbers that no machine has: refused where a job is checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from physrecon.cli.main import main
from physrecon.errors import ArgumentError, ConfigError, MissingInputError
from physrecon.io import describe, open_image, open_scan
from physrecon.jobs.image_job import ImageJob
from physrecon.jobs.read import read_job
from physrecon.jobs.scan_job import ScanJob

BAD = {"NUL": "a\0b", "a lone surrogate": "\ud800", "long": "x" * 300, "deep": "x/" * 3000}
JOBS = {
    ScanJob: {"input": "s.h5", "output": "v.h5"},
    ImageJob: {"input": "i.tif", "output": "o.tif", "psf": "p.tif"},
}


def paths():
    """Every field of a job that is a path."""
    for kind in JOBS:
        for key, field in kind.model_fields.items():
            if "Path" in str(field.annotation) or key == "psf":
                yield kind, key


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("kind, key", list(paths()))
def test_a_name_that_no_file_has(kind, key, name):
    with pytest.raises(ArgumentError, match=f"{key}: expected the name of a file"):
        kind.build({**JOBS[kind], key: BAD[name]}, "job")
    more = {"method": "cgls"} if key == "history" else {}
    name = "é\udcff.csv" if key == "history" else "é\udcff"  # bytes that are no text are a name
    kind.build({**JOBS[kind], **more, key: name}, "job")


@pytest.mark.parametrize("kind", JOBS)
def test_a_name_that_is_no_text_is_shown_where_it_is_refused(kind):
    with pytest.raises(ArgumentError, match=r"history: .*csv or .png, got \\udcff.jpg"):
        kind.build({**JOBS[kind], "history": "\udcff.jpg"}, "job")


@pytest.mark.parametrize("name", ["a\\u0000b", "x" * 300])
def test_from_a_job_file_or_from_argv(name, here, capsys):
    Path("job.toml").write_text(f'input = "s.h5"\noutput = "{name}"\n')
    with pytest.raises(ConfigError, match="output: expected the name of a file"):
        read_job("job.toml")
    name = name.replace("\\u0000", "\0")
    for line in (["recon", name, "-o", "v.h5"], ["recon", "s.h5", "-o", name], ["plan", name]):
        assert main(line) == 64, line
    for command in ("run", "info", "view"):
        assert main([command, name]) == 66, command
    said = capsys.readouterr().err
    assert "fault of ours" not in said and "Traceback" not in said


def test_an_output_leaves_room_for_its_temporary_names():
    with pytest.raises(ArgumentError, match="at most 200 bytes"):
        ImageJob.build({**JOBS[ImageJob], "output": "a" * 250 + ".tif"}, "job")


@pytest.mark.parametrize("name", BAD)
def test_readers_say_that_there_is_no_such_file(name):
    for read in (open_image, open_scan, describe):
        with pytest.raises(MissingInputError, match="expected"):
            read(BAD[name])


@pytest.mark.parametrize("digits", [19, 25, 400])
def test_a_number_that_no_int64_holds(digits, here):
    for kind, key in ((ScanJob, "threads"), (ImageJob, "psf_center"), (ImageJob, "stop")):
        value = 10**digits
        given = {"stop": {"iterations": value}, "psf_center": [value, 1]}.get(key, value)
        with pytest.raises(ArgumentError, match="expected"):
            kind.build({**JOBS[kind], key: given}, "job")
