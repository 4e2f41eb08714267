"""The check of a model, as every result states it: figures in the file, a sentence, a picture."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from physrecon.io.made import CHECK
from physrecon.jobs.model import Job
from physrecon.model_check.check import ModelCheck

# A check, the residual that was tested, and the steps of its last axis but one and its last
Checked = tuple[ModelCheck, NDArray[Any], tuple[int, int]] | None


def facts_of(job: Job, checked: Checked, place: str) -> dict[str, str]:
    """The facts of a check, and its picture if the job asks for one.

    place: the part of the data that was checked, in words."""
    if checked is None:
        if job.residuals:  # to be replaced, and there is none
            job.residual_picture.unlink(missing_ok=True)
        return {}
    check, residual, steps = checked
    if job.residuals:
        from physrecon.pictures.residual import draw_residual

        title = f"residual of {place} that no object explains, in standard deviations of the noise"
        draw_residual(job.residual_picture, residual, title, steps)
    figures = {"checked": place, **check.figures()}
    figures |= {"sentence": check.sentence} if not check.fits else {}
    return {CHECK: json.dumps(figures)}


def doubts(facts: Mapping[str, str]) -> list[str]:
    """The sentence of a model that does not fit."""
    sentence = json.loads(facts.get(CHECK, "{}")).get("sentence")
    return [sentence] if sentence else []
