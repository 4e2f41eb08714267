"""`info OUT` tells how a result was made, whatever its format."""

from __future__ import annotations

import numpy as np
import pytest
from discs import write_scan
from interruption import Steps
from listing import files

import physrecon as pr
from physrecon.cancellation import cancel_on_signals
from physrecon.cli.main import main
from physrecon.errors import Interrupted
from physrecon.io.made import how_made, parsed, texts_of
from physrecon.jobs.image_job import ImageJob
from physrecon.jobs.scan_job import ScanJob
from physrecon.pipeline.problem import words_of_choices
from physrecon.pipeline.run import run


def info(capsys, path):
    capsys.readouterr()
    assert main(["info", path]) == 0
    lines = capsys.readouterr().out.splitlines()
    return {name: value for name, _, value in (line.partition(": ") for line in lines)}


@pytest.mark.parametrize("output", ["v.h5", "v.tif", "v.ome.tif", "v"])
def test_a_volume_tells_its_axis_method_and_end(output, here, capsys):
    write_scan("scan.h5")
    argv = ["recon", "scan.h5", "-o", output, "--method", "sirt", "--iterations", "3"]
    assert main([*argv, *["--format", "tiff"] * (output == "v"), "--slab-rows", "2"]) == 0
    told = info(capsys, output)
    assert told["made from"].endswith("scan.h5") and told["method"] == "sirt"
    assert told["center"].startswith("22.") and "± " in told["center"]
    assert told["ended"].startswith("stopped at the limit of 3 iterations")
    assert "by physrecon 0.1.0" in told["written"] and " on " in told["written"]


def test_mrc_has_room_for_labels_alone(here, capsys):
    write_scan("scan.h5")
    assert main(["recon", "scan.h5", "-o", "v.mrc", "--filter", "hann"]) == 0
    told = info(capsys, "v.mrc")
    assert told["method"] == "fbp" and "by physrecon 0.1.0" in told["written"]
    head = (here / "v.mrc").read_bytes()[:1024]
    count = int.from_bytes(head[220:224], "little")
    assert 3 <= count <= 10 and head[224:].startswith((b"asked", b"physrecon", b"method"))


@pytest.mark.parametrize("output", ["v.h5", "v.tif"])
def test_what_stored_numbers_mean_and_what_part_it_is(output, here, capsys):
    write_scan("scan.h5")
    more = ["--center", "22.3", "--out-dtype", "uint16", "--mask", "--slices", "0:2"]
    assert main(["recon", "scan.h5", "-o", output, *more]) == 0
    told = info(capsys, output)
    assert told["stored"].startswith("uint16, value = ") and told["stored"].endswith("1/pixel")
    assert told["mask"] == "circle" and told["slices"] == "0:2"
    assert "16-bit saturation" not in told  # the largest value is the largest number


def test_the_weight_and_how_it_was_found(here):
    values = {"input": "i.tif", "psf": "gaussian:sigma=1", "output": "o.tif", "prior": "tikhonov"}
    asked = ImageJob.build(values, "test")
    found = ImageJob.build({**values, "prior": {"name": "tikhonov", "weight": 0.1}}, "test")
    assert words_of_choices(found, found) == {}
    (here / "o.tif").touch()
    texts = {"physrecon": "0.1.0", "job": found.to_toml(), "host": "node7"}
    rows = dict(how_made(texts | words_of_choices(asked, found), "o.tif"))
    assert rows["weight"] == "0.1 (auto, by held-out)"
    assert rows["psf"] == "gaussian:sigma=1 (given)" and "background" not in rows
    assert rows["written"].endswith(" on node7, by physrecon 0.1.0")


def test_slabs_of_two_runs_tell_both_ends(here, capsys):
    write_scan("scan.h5")
    values = {"input": "scan.h5", "output": "v.h5", "center": 22.3, "method": "cgls"}
    job = ScanJob.build({**values, "stop": {"iterations": 4}, "slab_rows": 1}, "test")
    with cancel_on_signals(), pytest.raises(Interrupted):
        run(job, Steps(6))
    run(job)
    assert texts_of("v.h5")["stopped"].count("limit of 4 iterations") == 3


def test_a_description_of_another_program_is_none_of_ours():
    assert parsed("ImageJ=1.53\nunit=um") == {} and parsed("") == {}
    assert parsed("method fbp\nphysrecon 1\n\nkind = 'x'\n")["job"] == "kind = 'x'\n"


@pytest.mark.parametrize("name", ["v.h5", "v.tif"])
def test_an_output_of_another_job_says_in_what_it_differs(name, scan, here, capsys):
    job = ["recon", "scan.h5", "-o", name]
    assert main([*job, "--center", "22.3"]) == 0
    before = files(here)
    capsys.readouterr()
    assert main([*job, "--center", "22.5", "--rings", "sort", "--slices", "0:2"]) == 73
    said = capsys.readouterr().err
    assert f"{name}: expected a new file, got the result of another job (" in said
    for words in ("center 22.3 there, 22.5 wanted", "rings none there, sort wanted", "slices"):
        assert words in said
    assert "width" not in said and "--overwrite" in said
    assert main(job) == 73  # a given axis, where it is to be found
    assert "center 22.3 there, auto wanted" in capsys.readouterr().err
    scan.touch()
    assert main([*job, "--center", "22.3"]) == 73
    assert "(the input has changed since)" in capsys.readouterr().err
    assert files(here) == before


def test_an_axis_that_was_found_is_no_difference(scan, here, capsys):
    assert main(["recon", "scan.h5", "-o", "v.h5"]) == 0
    assert main(["recon", "scan.h5", "-o", "v.h5", "--filter", "hann"]) == 73
    assert "(filter ram-lak there, hann wanted)" in capsys.readouterr().err


def test_an_image_of_another_job_says_in_what_it_differs(here, capsys):
    pr.write_image("i.tif", 1 + np.eye(32, dtype=np.float32), "YX")
    job = ["deconvolve", "i.tif", "-o", "o.tif", "--psf"]
    assert main([*job, "gaussian:sigma=1", "--iterations", "2"]) == 0
    assert main([*job, "gaussian:sigma=2", "--iterations", "3"]) == 73
    said = capsys.readouterr().err
    assert "psf gaussian:sigma=1 there, gaussian:sigma=2 wanted" in said
    assert "stop.iterations 2 there, 3 wanted" in said and "PSF has changed" not in said
