"""The records that --json prints: one JSON object a line, with these fields and no others.

A type that ends in ? may be null, which stands for unknown.  Numbers are finite."""

from __future__ import annotations

from typing import NamedTuple


class Field(NamedTuple):
    """type: of `TYPES`, with ? if it may be null.  unit: "" for none."""

    type: str
    unit: str
    meaning: str


TYPES = ("text", "whole", "number", "bool", "texts", "wholes", "numbers", "columns", "made")

MADE = {
    "physrecon": Field("text?", "", "version that made the result"),
    "input": Field("text?", "", "the file that it was made from"),
    "method": Field("text?", "", "method, as `--method` names it"),
    "iterations": Field("whole?", "", "iterations done, the most of any piece; null for `fbp`"),
    "stopped": Field("texts", "", "why the solver stopped: each reason once"),
    "center": Field("number?", "detector columns", "rotation axis"),
    "weight": Field("number?", "", "weight of the prior"),
    "model_fits": Field("bool?", "", "whether the residual is noise; null where not checked"),
    "model_doubt": Field("text?", "", "the sentence of a model that does not fit"),
    "host": Field("text?", "", "name of the machine"),
    "written": Field("text", "", "time of the file, `YYYY-MM-DD hh:mm:ss`, local"),
}
_ARRAY = {
    "shape": Field("wholes", "voxels", "lengths of the axes"),
    "dtype": Field("text", "", "type of the values, as NumPy names it"),
    "bytes": Field("whole", "bytes", "size of the array"),
}
_SIZE = {
    "voxel_size": Field("numbers", "`length_unit`", "along the last axes, 1 where not stated"),
    "length_unit": Field("text?", "", "`mm`, `um` …; null: pixels"),
}
_WARNINGS = {"warnings": Field("texts", "", "all warnings, also printed on stderr")}
_FILE = {"file": Field("text", "", "as it was named")}

RECORDS = {
    "scan": {
        **_FILE,
        "format": Field("text", "", "of the file"),
        **_ARRAY,
        "angles": Field("numbers", "`angle_unit`", "of the first and of the last view"),
        "angle_unit": Field("text", "", "`deg` or `rad`"),
        "flats": Field("whole", "frames", "open-beam images"),
        "darks": Field("whole", "frames", "images without beam"),
        "pixel_size": Field("numbers?", "`length_unit`", "of rows and columns"),
        "length_unit": Field("text?", "", "`mm`, `um` …; null: pixels"),
        "center": Field("number?", "detector columns", "rotation axis that the file states"),
        "notes": Field("texts", "", "choices made in reading, facts not used"),
    },
    "volume": {
        **_FILE,
        **_ARRAY,
        **_SIZE,
        "slabs": Field("whole", "files", "that hold the voxels"),
        "made": Field("made?", "", "how it was made; null for a file of another program"),
    },
    "image": {
        **_FILE,
        "format": Field("text", "", "of the file"),
        "axes": Field("text", "", "a letter for each axis, such as `TCZYX`"),
        **_ARRAY,
        **_SIZE,
        "frames": Field("whole", "frames", "images or stacks in it"),
        "notes": Field("texts", "", "choices made in reading"),
        "made": Field("made?", "", "how it was made; null for a file of another program"),
    },
    "arrays": {**_FILE, "arrays": Field("texts", "", "names that open each array of the file")},
    "plan": {
        "input": Field("text", "", "the input of the job"),
        "output": Field("text", "", "the result to be written"),
        "method": Field("text", "", "as `--method` names it"),
        "likelihood": Field("text", "", "as `--likelihood` names it"),
        "iterations": Field("whole?", "", "at most; null for direct methods"),
        "device": Field("text", "", "`cpu` or `cuda`"),
        "shape": Field("wholes", "voxels", "of the result"),
        "unit": Field("text", "", "of the values, such as `1/mm`"),
        "piece": Field("text", "", "what the work is cut into: `slab` or `frame`"),
        "pieces": Field("whole", "pieces", "number of them"),
        "pieces_done": Field("whole", "pieces", "on the disk, of an earlier run"),
        "memory_bytes": Field("whole", "bytes", "in use at most"),
        "budget_bytes": Field("whole", "bytes", "that may be used"),
        "output_bytes": Field("whole", "bytes", "of the result on the disk"),
        "scratch_bytes": Field("whole", "bytes", "of temporary files"),
        "state_bytes": Field("whole", "bytes", "of the state that a stopped run goes on from"),
        "free_bytes": Field("whole", "bytes", "free on the disk of the output"),
        **_WARNINGS,
    },
    "center": {
        "input": Field("text", "", "the scan"),
        "center": Field("number", "detector columns", "rotation axis, counted from 0"),
        "uncertainty": Field("number", "detector columns", "± of it"),
        "methods": Field("columns", "detector columns", "rotation axis by each method"),
        "dropped": Field("texts", "", "methods that the slice refutes"),
        "roll": Field("number?", "`angle_unit`", "of the detector of a cone beam, if it is told"),
        "roll_uncertainty": Field("number?", "`angle_unit`", "± of it"),
        "plot": Field("text?", "", "the picture, if one was drawn"),
        **_WARNINGS,
    },
    "geometry": {
        "input": Field("text", "", "the scan"),
        "faults": Field("texts", "", "name and remedy of each"),
        "undecided": Field("texts", "", "what the data cannot tell"),
        "center": Field("number?", "detector columns", "rotation axis, counted from 0"),
        "uncertainty": Field("number", "detector columns", "± of it"),
        "residuals": Field("columns", "of the data", "what each geometry leaves unexplained"),
        **_WARNINGS,
    },
    "alignment": {
        "input": Field("text", "", "the scan"),
        "output": Field("text", "", "the job that was written"),
        "values": Field("columns", "columns, `angle_unit`", "parameters that were found, by name"),
        "uncertainties": Field("columns", "columns, `angle_unit`", "± of each"),
        "angle_unit": Field("text", "", "`deg` or `rad`"),
        "shifts": Field("numbers?", "columns", "root mean square along the axis, the columns"),
        "shifts_uncertainties": Field("numbers?", "columns", "± of each shift along them"),
        "residuals": Field("numbers", "of the data", "unexplained before and after, large pixels"),
        "shifts_file": Field("text?", "", "table of the shifts of every view"),
        **_WARNINGS,
    },
    "result": {
        "output": Field("text", "", "the result"),
        "done_already": Field("bool", "", "it was there, of the same job and input"),
        "seconds": Field("number", "s", "that the run took"),
        "beside": Field("texts", "", "files written beside the result"),
        **MADE,
        **_WARNINGS,
    },
    "error": {
        "error": Field("text", "", "the sentence"),
        "kind": Field("text", "", "class of the error in Python, such as `DataError`"),
        "exit_code": Field("whole", "", "exit code of the program"),
    },
}
