"""The description of an image of ours: a summary for people, then texts by name for programs.

ImageJ's TIFF has one text for both, the summary first.  OME-TIFF has the summary as Description and
the texts as a MapAnnotation, where OMERO and Bio-Formats show them as key-value pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

MARK = "\n\n[physrecon]\n"  # between the two
NAMESPACE = "physrecon"  # of the annotation
JOB = "job"  # the text of many lines, which is the last one


def joined(summary: str, texts: str) -> str:
    return f"{summary}{MARK}{texts}"


def divided(description: str) -> tuple[str, str]:
    """(summary, texts); the second is empty for a description of another program."""
    summary, mark, texts = description.replace("\r", "").partition(MARK)
    return (summary, texts) if mark else (description, "")


def as_map(texts: str) -> dict[str, str]:
    """Texts by name: a line each, an empty line, the job."""
    head, _, job = texts.replace("\r", "").partition("\n\n")
    found = dict(line.partition(" ")[::2] for line in head.splitlines())
    return found | ({JOB: job} if job else {})


def as_lines(texts: Mapping[str, str]) -> str:
    """The inverse of `as_map`."""
    head = "\n".join(f"{name} {text}" for name, text in texts.items() if name != JOB)
    return f"{head}\n\n{texts[JOB]}" if JOB in texts else head


def ome_annotation(texts: str) -> dict[str, Any]:
    """The annotation as metadata of tifffile; {} without texts."""
    if not texts:
        return {}
    return {"MapAnnotation": {"Namespace": NAMESPACE, "Value": as_map(texts)}}


def of_ome(text: str) -> str:
    """The description in an OME file, with our texts if they are annotated."""
    root = ElementTree.fromstring(text)
    image = next((node for node in root.iter() if node.tag.endswith("}Image")), root)
    summary = next((n.text or "" for n in image if n.tag.endswith("}Description")), "")
    for note in root.iter():
        if note.tag.endswith("}MapAnnotation") and note.get("Namespace") == NAMESPACE:
            pairs = (node for node in note.iter() if node.tag.endswith("}M"))
            return joined(summary, as_lines({str(n.get("K")): n.text or "" for n in pairs}))
    return summary
