"""A run needs no more memory than its plan says."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
from blurred_images import make, read
from listing import files
from tiers import thorough

from physrecon.cli.main import main
from physrecon.pipeline.image import footprint
from physrecon.pipeline.run import plan, run


@pytest.mark.parametrize("fraction, on_disk", [(0.9, False), (0.3, True)])
def test_a_frame_in_less_memory_is_the_same_frame(fraction, on_disk, stack, monkeypatch):
    monkeypatch.setattr(footprint, "PROGRAM_BYTES", 0)
    monkeypatch.setattr(footprint, "THREAD_BYTES", 0)
    monkeypatch.setattr(footprint, "BLOCK_BYTES", 1 << 18)
    monkeypatch.setattr(footprint, "NOISE_BYTES", 1 << 18)
    job = make(stop={"iterations": 3})
    run(job)
    whole = read("o.tif")
    roomy = plan(job.model_copy(update={"overwrite": True}))
    budget = int(fraction * roomy.peak)
    tight = job.model_copy(update={"memory": budget, "output": Path("t.tif")})
    planned = plan(tight)
    assert (planned.footprint.scratch > 0) == on_disk and planned.peak <= budget
    run(tight)
    assert abs(read("t.tif") - whole).max() < 1e-5 * whole.max()


@pytest.mark.parametrize(
    "fields",
    [{}, {"method": "wiener"}, {"prior": {"name": "tv", "weight": 0.01}},
     thorough({"boundary": "zero"}), thorough({"method": "cgls"})],
    ids=str,
)  # fmt: skip
def test_the_arrays_of_a_run_fit_its_plan(fields, stack):
    stop = {} if fields.get("method") == "wiener" else {"stop": {"iterations": 2}}
    job = make(**fields, **stop)
    run(job)  # compile first
    job = job.model_copy(update={"overwrite": True})
    planned = plan(job)
    tracemalloc.start()
    run(job)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < planned.peak - footprint.PROGRAM_BYTES + 2**20
    assert planned.peak - footprint.PROGRAM_BYTES < 2.5 * peak, "the plan wastes memory"


def test_plan_explains_and_computes_nothing(image, here, capsys):
    before = files(here)
    assert main(["plan", "i.tif", "--psf", "p.tif", "--memory", "1GB", "--prior", "tv"]) == 0
    out = capsys.readouterr().out
    words = ["(38, 38)", "unknown", "rl, at most 100 iterations", "of the padded size", "1.00 GB"]
    for word in [*words, "prior tv", "i_deconvolved.tif", "0.1 × 0.1 µm"]:
        assert word in out
    assert files(here) == before
    assert main(["plan", "i.tif", "--psf", "p.tif", "--memory", "1MB"]) == 64
    assert "memory" in capsys.readouterr().err
