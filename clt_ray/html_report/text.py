"""Numbers, units and lists as text, and the titles and captions of the page."""

import re
from collections.abc import Sequence
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Any

import yaml

from clt_ray.analysis.labels import language_name, language_order
from clt_ray.analysis.uncertainty import Estimate
from clt_ray.tasks import Metric

MINUS = "−"
NOTHING = "–"
"""Shown where there is no number."""


@cache
def words() -> Any:
    """Returns the content of `words.yaml`: a text or declaration by kind, such as "tables", and name."""
    return yaml.safe_load((Path(__file__).parent / "words.yaml").read_text("utf-8"))


def words_of(kind: str, name: str) -> tuple[str, str, str]:
    """Returns title, caption, and what bold numbers mean ("" where none are) of one of the "tables" or "figures"."""
    texts = words()[kind][name]
    return texts["title"], texts["caption"], texts.get("bold", "")


def number(value: float, digits: int, *, signed: bool = False) -> str:
    """Returns the rounded number with thousands separators and a real minus sign; never "−0"."""
    if not isfinite(value):
        return NOTHING
    text = f"{value:,.{digits}f}"
    if float(text.replace(",", "")) == 0:
        return f"{0:.{digits}f}"
    return ("+" if signed and value > 0 else "") + text.replace("-", MINUS)


def digits_for(estimate: Estimate, metric: Metric) -> int:
    """Returns the decimals that the interval leaves meaningful: none where it is wider than 4 points."""
    if metric.shown_factor == 1:
        return metric.digits
    wide = estimate.has_interval and (estimate.high - estimate.low) * metric.shown_factor > 4
    return 0 if wide else metric.digits


def amount(value: float, metric: Metric, digits: int) -> str:
    """Returns a difference without its sign and with its unit, for instance `31 points`."""
    text = number(abs(value) * metric.shown_factor, digits)
    unit = "point" if metric.unit == "points" and text == "1" else metric.unit
    return f"{text} {unit}"


def percent(value: float) -> str:
    return f"{number(value * 100, 0)}%" if isfinite(value) else NOTHING


def p_value(p: float) -> str:
    return NOTHING if not isfinite(p) else "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def enumerated(parts: Sequence[str]) -> str:
    """Returns a list as text: `a, b and c`."""
    return f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else "".join(parts)


def language_names(codes: Sequence[str]) -> str:
    return enumerated([language_name(code) for code in sorted(codes, key=language_order)])


def counted(count: int, noun: str, plural: str = "") -> str:
    """Returns a number of things: `1 run`, `1,200 runs`."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def slug(text: str) -> str:
    """Returns the text in a form that can be part of a file name."""
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.") or "unnamed"
