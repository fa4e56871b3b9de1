"""Agreement of gradients: measured where it can be, on enough rows."""

from __future__ import annotations

from collections.abc import Iterator

from clt_ray.errors import Problem
from clt_ray.sweep.accelerators import TPUS
from clt_ray.sweep.checks.reading import section, used
from clt_ray.sweep.document import Document, KeyPath
from clt_ray.sweep.sections import ValidationSpec
from clt_ray.sweep.spec import EVERY_OTHER_MODEL, is_one_hardware

EVERY: KeyPath = ("training", "gradient_agreement_every")
FEWEST_ROWS = 2
"""Validation rows per task and language that can be halved."""


def check_agreement(document: Document) -> Iterator[Problem]:
    """Runs that measure agreement have rows for it, and hardware that can."""
    every = document.get(*EVERY, default=0)
    if type(every) is not int or every <= 0:
        return
    rows = document.get("validation", "samples_per_language", default=ValidationSpec().samples_per_language)
    if type(rows) is int and 0 < rows < FEWEST_ROWS:
        message = f"is measured on validation rows in two halves, and there is {rows} row per task and language"
        remedy = f"write validation: {{samples_per_language: {FEWEST_ROWS}}} or more, or write 0 here"
        yield document.problem(EVERY, message, remedy)
    for model, accelerator in _tpus(document):
        message = f"is not measured on TPUs, and {model} runs on {accelerator}"
        remedy = "write 0, or run on GPUs, as in hardware: {accelerator: GPU, workers: 8}"
        yield document.problem(EVERY, message, remedy)
        return


def _tpus(document: Document) -> Iterator[tuple[str, str]]:
    """Models of the sweep that run on TPUs, each with its accelerator."""
    hardware = section(document, "hardware")
    for model in used(document, "model"):
        own = hardware
        if not is_one_hardware(hardware):
            own = section(document, "hardware", str(model)) or section(document, "hardware", EVERY_OTHER_MODEL)
        accelerator = own.get("accelerator")
        if isinstance(accelerator, str) and accelerator in TPUS:
            yield str(model), accelerator
