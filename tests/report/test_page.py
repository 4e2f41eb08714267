"""A result as one HTML page."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import numpy as np
import pytest
from discs import write_scan
from listing import files

from physrecon.cli.main import main
from physrecon.io import write_image
from physrecon.io.viewed import open_viewed
from physrecon.report.page import report_page


def page_of(path):
    with open_viewed(path) as viewed:
        return report_page(path, viewed)


class Page(HTMLParser):
    """Texts, pictures and links; unclosed tags are an error."""

    VOID = ("meta", "img", "br")

    def __init__(self, page):
        super().__init__()
        self.open, self.pictures, self.words = [], [], []
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        assert not {"href", "onclick"} & {*given} and tag not in ("script", "link", "iframe")
        if tag == "img":
            assert given["src"].startswith("data:image/png;base64,") and given["alt"]
            self.pictures.append(given["src"])
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def test_a_volume_tells_how_it_was_made(here, capsys):
    write_scan(here / "scan.h5")
    line = "recon scan.h5 -o v.h5 --center 22.3 --method sirt --iterations 7 --nonnegative"
    assert main(line.split()) == 0
    assert main(["report", "v.h5"]) == 0
    assert capsys.readouterr().out.endswith("v.html\n")
    page = Page((here / "v.html").read_text(encoding="utf-8"))
    said = " ".join(page.words)
    assert len(page.pictures) == 2
    for words in ("sirt", "22.3", "7 at most", "scan.h5", "numpy"):
        assert words in said


def test_a_foreign_image_has_slices_and_values_alone(here):
    values = np.linspace(0, 1, 30 * 20, dtype=np.float32).reshape(30, 20)
    values[0, 0] = np.nan
    write_image(here / "i.tif", values, "YX")
    page = Page(page_of(here / "i.tif"))
    said = " ".join(page.words)
    assert "1 of 600" in said and "Job" not in said and len(page.pictures) == 2


@pytest.mark.parametrize("name, code", [("v.txt", 64), ("there.html", 73)])
def test_no_other_file_is_replaced(name, code, here, capsys):
    write_image(here / "i.tif", np.eye(9, dtype=np.float32), "YX")
    (here / "there.html").write_text("mine")
    before = files(here)
    assert main(["report", "i.tif", "-o", name]) == code
    assert files(here) == before and (here / "there.html").read_text() == "mine"


def test_text_from_files_is_no_markup(here):
    import h5py

    with h5py.File(here / "v.h5", "w") as file:
        file["data"] = np.zeros((2, 5, 5), np.float32)
        group = file.create_group("entry/reconstruction/configuration")
        group["job"] = 'method = "<script>alert(1)</script>"'
        group["versions"] = "<b>"
        check = {"checked": "row 1", "fits": False, "chi2": 9.5, "sentence": "axis <i>off</i>"}
        group["model_check"] = json.dumps(check | {"causes": {"axis": 0.4}})
    page = page_of(here / "v.h5")
    assert "<script>" not in page and "<b>" not in page and "&lt;script&gt;" in page
    said = " ".join(Page(page).words)
    assert "axis <i>off</i>" in said and "row 1" in said and "explained by axis 0.4" in said


@pytest.mark.parametrize("command", ["report", "view"])
def test_a_result_that_is_absent_is_asked_for_by_what_it_is(command, here, capsys):
    assert main([command, "nothing.h5"]) == 66
    said = capsys.readouterr().err
    assert said.startswith("error: nothing.h5: expected a result (a volume or an image), got none;")


def test_the_folder_one_is_in_can_be_named_by_a_dot(here, capsys):
    write_image("slice_1.tif", np.ones((9, 9), "f4"), "YX")
    write_image("slice_2.tif", np.ones((9, 9), "f4"), "YX")
    assert main(["view", "."]) == 0
    assert capsys.readouterr().out.strip() == f"{here}.z1.png"
