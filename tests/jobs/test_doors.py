"""argv, TOML and Python are three doors to one model: the same jobs, the same sentences."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from physrecon.cli.main import main, parser
from physrecon.cli.options import add_options, values_of
from physrecon.cli.parser import Parser
from physrecon.errors import ArgumentError, ConfigError
from physrecon.jobs.image_job import ImageJob
from physrecon.jobs.options import option, options
from physrecon.jobs.read import read_job
from physrecon.jobs.scan_job import ScanJob

BASE = {
    "recon": ("recon scan.h5 -o out.h5", 'input = "scan.h5"\noutput = "out.h5"\n', ScanJob),
    "deconvolve": (
        "deconvolve i.tif -o out.tif --psf p.tif",
        'input = "i.tif"\noutput = "out.tif"\npsf = "p.tif"\n',
        ImageJob,
    ),
}

# command, words of argv, TOML that says the same
BOTH = [
    ("--out-dtype uint8 --out-range 0:1.5", 'out_dtype = "uint8"\nout_range = "0:1.5"'),
    ("--out-dtype float16", 'out_dtype = "float16"'),
    ("--method lsqr", 'method = "lsqr"'),
    ("--method sirt --iterations 7", 'method = "sirt"\nstop.iterations = 7'),
    ("--method sirt --set solver.iterations=7", 'method = "sirt"\nsolver.iterations = 7'),
    ("--method fista --set stop.rtol=1e-3", 'method = "fista"\nstop.rtol = 0.001'),
    ("--method fista --set stop.gain=1e-3", 'method = "fista"\nstop.gain = 0.001'),
    ("--method fista --set stop.discrepancy=4", 'method = "fista"\nstop.discrepancy = 4'),
    ("--method fista --likelihood least-squares --nonnegative",
     'method = "fista"\nlikelihood = "least-squares"\nnonnegative = true'),
    ("--prior tv", 'prior = "tv"'),
    ("--prior tgv --weight 0.5", 'prior = {name = "tgv", weight = 0.5}'),
    ("--prior tv --weight auto*2", 'prior = {name = "tv", weight = "auto*2"}'),
    ("--prior huber-tv --set prior.delta=0.1 --set prior.rule=gcv",
     'prior = {name = "huber-tv", delta = 0.1, rule = "gcv"}'),
    ("--device cuda", 'device = "cuda"'),
    ("--threads 3", "threads = 3"),
    ("--memory 4GB", 'memory = "4GB"'),
    ("--memory 512", "memory = 512"),
    ("--overwrite", "overwrite = true"),
    ("--residuals", "residuals = true"),
    ("--method sirt --history c.png", 'method = "sirt"\nhistory = "c.png"'),
    ("--method gd --set solver.step=0.5", 'method = "gd"\nsolver.step = 0.5'),
]  # fmt: skip
SCAN = [
    ("--format tiff", 'format = "tiff"'),
    ("--prior tv --set prior.slicewise=false", 'prior = {name = "tv", slicewise = false}'),
    ("--likelihood huber --method fista --outlier 0.25",
     'likelihood = "huber"\nmethod = "fista"\noutlier = 0.25'),
    ("--filter hann", 'filter = "hann"'),
    ("--padding edge", 'padding = "edge"'),
    ("--center 296.5", "center = 296.5"),
    ("--center -3", "center = -3"),
    ("--slices 3:40", 'slices = "3:40"'),
    ("--rings", 'rings = "sort"'),
    ("--rings sort", 'rings = "sort"'),
    ("--angle-unit rad", 'angle_unit = "rad"'),
    ("--angles 0..180/7", 'angles = "0..180/7"'),
    ("--flats f.tif", 'flats = "f.tif"'),
    ("--darks d.tif", 'darks = "d.tif"'),
    ("--data-mask m.tif", 'data_mask = "m.tif"'),
    ("--pixel-size 0.65um", 'pixel_size = "0.65um"'),
    ("--exclude-views 1:3,5", 'exclude_views = "1:3,5"'),
    ("--axes y,theta,x", 'axes = "y:theta:x"'),
    ("--width 99", "width = 99"),
    ("--crop 3:40", 'crop = "3:40"'),
    ("--crop 1:9,3:40", 'crop = "1:9,3:40"'),
    ("--bin 2", "bin = 2"),
    ("--bin 1,2", 'bin = "1,2"'),
    ("--mask", 'mask = "circle"'),
    ("--line-integrals", "line_integrals = true"),
    ("--transmission", "transmission = true"),
    ("--air 3:40", 'air = "3:40"'),
    ("--floor 1e-3", "floor = 1e-3"),
    ("--saturation 4000", "saturation = 4000"),
    ("--zingers none", 'zingers = "none"'),
    ("--allow-root raw", 'allow_root = "raw"'),
    ("--slab-rows 8", "slab_rows = 8"),
    ("--geometry fan", 'geometry = "fan"'),
    ("--source-origin 410.66mm --source-detector 0.5m --detector curved --rotation clockwise",
     'geometry = {source_origin = "410.66mm", source_detector = "0.5m", detector = "curved", '
     'rotation = "clockwise"}'),
    ("--geometry tilted --tilt 30deg --roll 0.1rad",
     'geometry = {kind = "tilted", tilt = "30deg", roll = "0.1rad"}'),
    ("--geometry helical --rise 2mm --set geometry.row_offset=2.5 --set geometry.pitch=1deg",
     'geometry = {kind = "helical", rise = "2mm", row_offset = 2.5, pitch = "1deg"}'),
    ("--set geometry.yaw=-1deg --set geometry.source_offset=0,0,1.5mm "
     "--set geometry.shifts=1,0,0px",
     'geometry = {yaw = "-1deg", source_offset = "0,0,1.5mm", shifts = "1,0,0px"}'),
]  # fmt: skip
IMAGE = [
    ("--boundary reflect", 'boundary = "reflect"'),
    ("--background auto", 'background = "auto"'),
    ("--background 2.5", "background = 2.5"),
    ("--background 1,2", "background = [1, 2]"),
    ("--psf-background 3", "psf_background = 3.0"),
    ("--psf-center mass", 'psf_center = "mass"'),
    ("--psf-center 3,8,8", "psf_center = [3, 8, 8]"),
    ("--no-normalize", "normalize = false"),
    ("--oversize", "oversize = true"),
    ("--accuracy 1e-2", "accuracy = 0.01"),
    ("--blind", "blind = true"),
    ("--voxel-size 0.3,0.1,0.1 --length-unit um",
     'voxel_size = [0.3, 0.1, 0.1]\nlength_unit = "um"'),
    ("--voxel-size 0.1", "voxel_size = 0.1"),
    ("--psf-voxel-size 1,0.5,0.5", "psf_voxel_size = [1, 0.5, 0.5]"),
    ("--axes TZYX", 'axes = "TZYX"'),
    ("--frames 0:2", 'frames = "0:2"'),
    ("--planewise", "planewise = true"),
    ("--linearise srgb", 'linearise = "srgb"'),
    ("--no-acceleration", "solver.accelerate = false"),
    ("--method tikhonov --weight 0.5", 'method = "tikhonov"\nsolver.weight = 0.5'),
]  # fmt: skip
SAME = [
    *(("recon", *pair) for pair in BOTH + SCAN),
    *(("deconvolve", *pair) for pair in BOTH + IMAGE),
]


def from_argv(line):
    given = vars(parser().parse_args(line.split()))
    return BASE[given.pop("command")][2].build(values_of(given), "argv", flags=True)


@pytest.mark.parametrize("command, argv, toml", SAME)
def test_three_doors_lead_to_one_job(command, argv, toml, here):
    line, text, kind = BASE[command]
    Path("job.toml").write_text(text + toml)
    job = from_argv(f"{line} {argv}")
    assert type(job) is kind and job != from_argv(line)
    assert job == read_job("job.toml") == kind.build(tomllib.loads(text + toml), "Python")
    Path("again.toml").write_text(job.to_toml())
    assert read_job("again.toml") == job


@pytest.mark.parametrize("command", BASE)
def test_no_field_is_left_out(command):
    said = [tomllib.loads(toml) for name, _, toml in SAME if name == command]
    said += [tomllib.loads(BASE[command][1])]
    known = {key for values in said for key in values}
    known |= {f"{k}.{n}" for v in said for k, t in v.items() if isinstance(t, dict) for n in t}
    assert {one.key for one in options(BASE[command][2])} <= known | {"kind"}


# command, words of argv, TOML with the same fault, words of the sentence
FAULTS = [
    ("recon", "--center left", 'center = "left"', "column such as 296.0, or auto, got 'left'"),
    ("recon", "--set stop.seconds=5", "stop.seconds = 5", "depend on the machine: give iterations"),
    ("recon", "--crop 9:3", 'crop = "9:3"', "columns a:b, or rows and columns a:b,c:d"),
    ("recon", "--bin 0", "bin = 0", "N or ROWS,COLUMNS"),
    ("recon", "--out-dtype int8", 'out_dtype = "int8"', "did you mean uint8"),
    ("recon", "--out-range 3", 'out_range = "3"', "LO:HI with LO < HI"),
    ("recon", "--saturation 0", "saturation = 0", "a grey value > 0"),
    ("recon", "--floor 2", "floor = 2", "a transmission between 0 and 1"),
    ("recon", "--center nan", "center = nan", "column"),
    ("recon", "--threads 0", "threads = 0", "whole number >= 1, got '0'"),
    ("recon", "--threads 1.5", "threads = 1.5", "whole number"),
    ("recon", "--slab-rows x", 'slab_rows = "x"', "whole number"),
    ("recon", "--memory lots", 'memory = "lots"', "4GB"),
    ("recon", "--memory -4", "memory = -4", "4GB"),
    ("recon", "--slices 5:2", 'slices = "5:2"', "a < b"),
    ("recon", "--filter ramlak", 'filter = "ramlak"', "did you mean ram-lak"),
    ("recon", "--method sirts", 'method = "sirts"', "did you mean sirt"),
    ("recon", "--device tpu", 'device = "tpu"', "cpu, cuda"),
    ("recon", "--angle-unit grad", 'angle_unit = "grad"', "did you mean rad"),
    ("recon", "--rings all", 'rings = "all"', "sort"),
    ("recon", "--outlier 0", "outlier = 0", "line integral > 0"),
    ("recon", "--iterations 0", "stop.iterations = 0", "whole number >= 1"),
    ("recon", "--set stop.rtol=-1", "stop.rtol = -1", ">= 0"),
    ("recon", "--set stop.discrepancy=-1", "stop.discrepancy = -1", "> 0, or auto"),
    ("recon", "--prior tvv", 'prior = "tvv"', "did you mean tv"),
    ("recon", "--prior TV", 'prior = "TV"', "did you mean tv?"),
    ("recon", "--method fbp --prior tv", 'method = "fbp"\nprior = "tv"',
     "choose --method admm|fista|pdhg|rl|saga"),
    ("recon", "--set iterations=3", "iterations = 3", "write it under [stop]"),
    ("recon", "--set weight=3", "weight = 3", "write it under [prior]"),
    ("recon", "--set solver=sirt", 'solver = "sirt"', 'write method = "sirt"'),
    ("recon", "--set stop=3", "stop = 3", "expected a table, got '3'"),
    ("recon", "--set solver.name=sirt", 'solver.name = "sirt"', 'write method = "sirt" above'),
    ("recon", "--set solver.method=sirt", 'solver.method = "sirt"', 'write method = "sirt" above'),
    ("recon", "--prior tv --weight -1", 'prior = {name = "tv", weight = -1}', "> 0, or auto"),
    ("recon", "--weight 1", "prior.weight = 1", "choose --prior tikhonov"),
    ("recon", "--prior huber-tv", 'prior = "huber-tv"', "expected a delta"),
    ("recon", "--prior tv --set prior.isotropic=x", 'prior = {name = "tv", isotropic = "x"}',
     "true or false"),
    ("recon", "--iterations 3", "stop.iterations = 3", "iterative method for it, got fbp"),
    ("recon", "--set solver.step=1", "solver.step = 1", "iterative method for it, got fbp"),
    ("recon", "--method gd --set solver.step=inf", 'method = "gd"\nsolver.step = inf', "finite"),
    ("recon", "--method gd --set solver.stp=1", 'method = "gd"\nsolver.stp = 1', "mean step"),
    ("recon", "--method cgls --filter hann", 'method = "cgls"\nfilter = "hann"', "expected fbp"),
    ("recon", "--method cgls --nonnegative", 'method = "cgls"\nnonnegative = true', "sirt"),
    ("recon", "--set centre=3", "centre = 3", "did you mean center"),
    ("recon", "--set line_integrals=x", 'line_integrals = "x"', "true or false, got 'x'"),
    ("recon", "--set kind=deconvolve", 'kind = "recon"', "reconstruct"),
    ("deconvolve", "--method lucy", 'method = "lucy"', "wiener"),
    ("deconvolve", "--background -3", "background = -3", "grey value >= 0"),
    ("deconvolve", "--background 1,-3", "background = [1, -3]", "grey value >= 0"),
    ("deconvolve", "--psf-center middle", 'psf_center = "middle"', "8,15,15, or peak"),
    ("deconvolve", "--psf-center 1,2.5", "psf_center = [1, 2.5]", "got '1,2.5'"),
    ("deconvolve", "--voxel-size 1,0", "voxel_size = [1, 0]", "z,y,x"),
    ("deconvolve", "--voxel-size 1,2,3,4", "voxel_size = [1, 2, 3, 4]", "z,y,x"),
    ("deconvolve", "--accuracy 2", "accuracy = 2", "between 0 and 1"),
    ("deconvolve", "--frames 5:2", 'frames = "5:2"', "a < b"),
    ("deconvolve", "--boundary none", 'boundary = "none"', "unknown"),
    ("deconvolve", "--length-unit um", 'length_unit = "um"', "voxel_size"),
    ("deconvolve", "--method cgls --blind", 'method = "cgls"\nblind = true', "method rl"),
    ("deconvolve", "--method wiener --prior tv", 'method = "wiener"\nprior = "tv"', "iterative"),
    ("deconvolve", "--method wiener --set solver.weight=2", 'method = "wiener"\nsolver.weight = 2',
     "noise, balance"),
]  # fmt: skip


def sentence(text):
    """What is said without where, and without the field."""
    text = re.sub(r"^(?:error: )?(?:recon|deconvolve|job\.toml|Python)(?: --[a-z-]+)?: ", "", text)
    return re.sub(r"^[a-z_.]+: ", "", text).strip()


@pytest.mark.parametrize("command, argv, toml, words", FAULTS)
def test_one_fault_has_one_sentence(command, argv, toml, words, here, capsys):
    line, text, kind = BASE[command]
    Path("job.toml").write_text(text + toml)
    assert main(f"{line} {argv}".split()) == 64
    said = sentence(capsys.readouterr().err)
    assert words in said and "argument" not in said
    assert main(["run", "job.toml"]) == 78
    if "kind" in toml:  # the kind chooses the model, which then cannot be wrong about it
        assert words in capsys.readouterr().err
        return
    assert sentence(capsys.readouterr().err) == said
    with pytest.raises(ArgumentError) as problem:
        kind.build(tomllib.loads(text + toml), "Python")
    assert sentence(str(problem.value)) == said


def test_a_value_that_is_missing(here, capsys):
    Path("job.toml").write_text('kind = "deconvolve"\ninput = "i.tif"\noutput = "o.tif"\n')
    assert main(["deconvolve", "i.tif", "-o", "o.tif"]) == 64
    said = capsys.readouterr().err.splitlines()[0]
    assert main(["run", "job.toml"]) == 78
    assert sentence(capsys.readouterr().err) == said.rpartition("--psf: ")[2]


def test_the_kind_of_a_job_is_told_by_its_file(here):
    for command, (_, text, kind) in BASE.items():
        Path(f"{command}.toml").write_text(f'kind = "{kind.model_fields["kind"].default}"\n{text}')
        assert type(read_job(f"{command}.toml")) is kind
    Path("job.toml").write_text(BASE["recon"][1] + 'kind = "deconvolve"')
    with pytest.raises(ConfigError, match="psf: expected a value"):
        read_job("job.toml")


@pytest.mark.parametrize(
    "file, given", [("[stop]\niterations = 3", "solver"), ("[solver]\niterations = 3", "stop")]
)
def test_what_is_given_wins_whatever_table_names_it(file, given, here):
    Path("job.toml").write_text(f'{BASE["recon"][1]}method = "sirt"\n{file}\n')
    assert read_job("job.toml", {given: {"iterations": 9}}).stop.iterations == 9


class Longer(ScanJob):
    passes: int = option(1, "passes over the data", metavar="N", ge=1)


def test_one_line_makes_a_field(here):
    command = Parser(prog="longer")
    add_options(command, options(Longer))
    assert "--passes N" in command.format_help()
    assert re.search(r"passes over the data\s+\(default: 1\)", command.format_help())
    values = values_of(vars(command.parse_args(["s.h5", "-o", "v.h5", "--passes", "3"])))
    job = Longer.build(values, "argv")
    assert job.passes == 3 and "\npasses = 3\n" in job.fingerprinted().to_toml()
    Path("job.toml").write_text(job.to_toml())
    assert Longer.from_toml("job.toml") == job
    with pytest.raises(ArgumentError, match=r"argv --passes: expected a number >= 1, got '0'"):
        Longer.build({**values, "passes": "0"}, "argv", flags=True)
    with pytest.raises(ArgumentError, match=r"argv --passes: expected a whole number, got 'few'"):
        Longer.build({**values, "passes": "few"}, "argv", flags=True)


def test_a_field_of_execution_does_not_change_the_job():
    values = {"input": "s.h5", "output": "v.h5"}
    same = {"threads": 2, "memory": "3GB", "overwrite": True, "slab_rows": 2, "allow_root": "raw"}
    plain = ScanJob.build(values, "job").fingerprinted()
    assert ScanJob.build({**values, **same}, "job").fingerprinted() == plain
    assert ScanJob.build({**values, "center": 3}, "job").fingerprinted() != plain
