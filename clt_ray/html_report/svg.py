"""Converts matplotlib's SVG so that it can be embedded in a page.

Text stays text. Colours become CSS variables, which the page sets for light and for dark display. Ids become unique in
the page. The file is parsed and serialized again, so it is well-formed whatever the names in the figure contain.
"""

from __future__ import annotations

import io
import re
import warnings
import xml.etree.ElementTree as ElementTree
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup

from clt_ray.tasks import TASKS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SVG: Final = "http://www.w3.org/2000/svg"
_LINK: Final = "{http://www.w3.org/1999/xlink}href"
PIXELS_PER_INCH: Final = 112
"""Size of a figure in the page; at this size its text is nearly as large as that of tables."""


def figure_svg(figure: Figure, name: str) -> str:
    """Returns the figure as a stand-alone SVG file; equal figures give equal files."""
    return _saved(figure, {"svg.hashsalt": name}, format="svg", metadata={"Date": None}).decode("utf-8")


def figure_png(figure: Figure) -> bytes:
    """Returns the figure as PNG on a white background, for slides and documents."""
    return _saved(figure, {}, format="png", dpi=160, facecolor="white")


def _saved(figure: Figure, settings: dict[Any, Any], **options: Any) -> bytes:
    import matplotlib

    from clt_ray.analysis.plots.style import styled

    target = io.BytesIO()
    # Glyphs that matplotlib's own font lacks do not matter, because the reader's font draws the text.
    with styled(), matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(target, **options)
    return target.getvalue()


def inline(svg: str, name: str, alt: str) -> Markup:
    """Returns the SVG of a figure as an element of a page, with ids that begin with its name and a text alternative."""
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", "http://www.w3.org/1999/xlink")
    root = ElementTree.fromstring(svg)
    for tag in ("metadata", "defs"):
        for child in root.findall(f"{{{_SVG}}}{tag}"):
            # The first definitions hold a style sheet, which would apply to the whole page.
            if tag == "metadata" or child.find(f"{{{_SVG}}}style") is not None:
                root.remove(child)
    variables = _variables()
    for element in root.iter():
        _renamed(element, name)
        if "style" in element.attrib:
            style = element.attrib["style"].lower()
            element.set("style", re.sub("#[0-9a-f]{6}", lambda match: variables.get(match[0], match[0]), style))
    width = float(root.attrib["width"].removesuffix("pt")) / 72 * PIXELS_PER_INCH
    for attribute in ("width", "height", "version"):
        root.attrib.pop(attribute, None)
    root.attrib |= {"style": f"width:{width:.0f}px", "class": "chart", "role": "img", "aria-label": alt}
    # ElementTree escapes all text when it serializes.
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _renamed(element: ElementTree.Element, name: str) -> None:
    for attribute, value in list(element.attrib.items()):
        if attribute == "id":
            element.set("id", f"{name}-{value}")
        elif attribute == _LINK and value.startswith("#"):
            element.set(attribute, f"#{name}-{value[1:]}")
        elif "url(#" in value:
            element.set(attribute, value.replace("url(#", f"url(#{name}-"))


def _variables() -> dict[str, str]:
    """Returns the CSS variable that takes the place of each colour."""
    from clt_ray.analysis.plots import style

    return {
        **{getattr(style, name.upper()): f"var(--{name})" for name in ("ink", "muted", "grid", "paper", "english")},
        style.BLUE: "var(--up)",
        style.VERMILLION: "var(--down)",
        **{task.colour: f"var(--task-{name})" for name, task in TASKS.items()},
        **{colour: f"var(--other-{index})" for index, colour in enumerate(style.OTHER_COLOURS, 1)},
    }
