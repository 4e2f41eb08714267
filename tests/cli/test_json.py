"""Records for programs: every field has its type, and stdout holds nothing else."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import h5py
import numpy as np
import pytest

from physrecon.cli.main import main
from physrecon.cli.records import MADE, RECORDS
from physrecon.io import write_image
from physrecon.pipeline.messages import as_json

RECON = ["recon", "scan.h5", "--center", "22.3", "--json"]


def is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


CHECKS = {
    "text": lambda v: isinstance(v, str),
    "whole": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "number": is_number,
    "bool": lambda v: isinstance(v, bool),
    "texts": lambda v: isinstance(v, list) and all(isinstance(one, str) for one in v),
    "wholes": lambda v: isinstance(v, list) and all(isinstance(one, int) for one in v),
    "numbers": lambda v: isinstance(v, list) and all(map(is_number, v)),
    "columns": lambda v: isinstance(v, dict) and all(map(is_number, v.values())),
    "made": lambda v: follows(v, MADE),
}


def follows(values, fields):
    assert {*values} == {*fields}
    for name, field in fields.items():
        kind = field.type.removesuffix("?")
        if values[name] is None:
            assert field.type.endswith("?"), name
        else:
            assert CHECKS[kind](values[name]), (name, field.type, values[name])
    return True


def records(capsys, argv, code=0):
    """The records of a command; each follows its schema."""
    assert main(argv) == code
    out = capsys.readouterr().out
    found = [json.loads(line, parse_constant=pytest.fail) for line in out.splitlines()]
    for one in found:
        assert follows({k: v for k, v in one.items() if k != "record"}, RECORDS[one["record"]])
    return found


def test_info_of_a_scan_a_volume_an_image_and_arrays(scan, here, capsys):
    assert main([*RECON, "-o", "v.h5", "--slab-rows", "2"]) == 0
    write_image("i.tif", np.ones((2, 5, 7)), "ZYX", (0.2, 0.1, 0.1), "um")
    with h5py.File("a.h5", "w") as file:
        file["a"], file["b"] = np.ones((3, 4)), np.ones((5, 6))
    capsys.readouterr()
    found = records(capsys, ["info", "scan.h5", "v.h5", "i.tif", "a.h5", "--json"])
    one, volume, image, arrays = found
    assert one["shape"] == [90, 3, 48] and one["angles"][0] == 0 and one["angle_unit"] == "deg"
    assert (volume["slabs"], volume["shape"]) == (2, [3, 48, 48])
    assert volume["made"]["center"] == 22.3 and volume["made"]["method"] == "fbp"
    assert image["voxel_size"] == [0.2, 0.1, 0.1] and image["length_unit"] == "um"
    assert image["made"] is None and arrays["arrays"] == ["a.h5::/a", "a.h5::/b"]


def test_plan_and_find_center(scan, capsys):
    argv = ["plan", "scan.h5", "--slab-rows", "1", "--method", "cgls", "--json"]
    (plan,) = records(capsys, argv)
    assert (plan["pieces"], plan["shape"], plan["unit"]) == (3, [3, 48, 48], "1/pixel")
    assert 0 < plan["memory_bytes"] < plan["budget_bytes"] and plan["iterations"] > 0
    (center,) = records(capsys, ["find-center", "scan.h5", "--json"])
    assert abs(center["center"] - 22.3) < 0.5 and 0 < center["uncertainty"] < 1


def test_a_run_ends_with_its_result(scan, capsys):
    argv = [*RECON, "-o", "v.h5", "--method", "sirt", "--iterations", "4", "--slab-rows", "2"]
    (result,) = records(capsys, argv)
    assert (result["output"], result["iterations"], result["done_already"]) == ("v.h5", 4, False)
    assert result["stopped"][0].startswith("stopped at the limit of 4 iterations")
    (again,) = records(capsys, argv)
    assert again["done_already"] and again["stopped"] == result["stopped"]


def test_an_error_is_a_record_on_stderr(here, capsys):
    assert main(["recon", "nothing.h5", "-q", "--json"]) == 66
    out, err = capsys.readouterr()
    one = json.loads(err.splitlines()[-1])
    assert out == "" and one.pop("record") == "error" and follows(one, RECORDS["error"])
    assert (one["kind"], one["exit_code"]) == ("MissingInputError", 66)


def test_numbers_are_plain():
    values = {"a": np.float32(0.5), "b": float("nan"), "c": np.arange(2), "d": (1, math.inf)}
    assert json.loads(as_json(values)) == {"a": 0.5, "b": None, "c": [0, 1], "d": [1, None]}
    assert as_json({"p": Path("x"), "t": True}) == '{"p": "x", "t": true}'


def test_units_are_those_of_the_page():
    page = Path(__file__).parents[2] / "docs/reference/json.md"
    text = page.read_text(encoding="utf-8")
    for name, fields in {**RECORDS, "made": MADE}.items():
        table = text.partition(f"<!-- json {name} -->")[2].partition("\n\n")[0]
        rows = re.findall(r"^\| `(\w+)` \| `(\w+\??)` \| (\S.*?) \|", table, re.M)
        assert rows == [(k, f.type, f.unit or "–") for k, f in fields.items()]
