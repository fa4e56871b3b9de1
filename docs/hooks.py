"""Hook of the documentation site: fills the page on the command line with the help of every verb."""

from __future__ import annotations

from typing import Any

import typer
from typer.cli import get_docs_for_click

from clt_ray.cli import app

MARK = "<!-- verbs -->"


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Replaces the mark on the page docs/cli.md by a section for every verb."""
    return markdown.replace(MARK, verbs()) if page.file.src_uri == "cli.md" else markdown


def verbs() -> str:
    """Returns the help of every verb as Markdown, with a heading of the second level for each."""
    group: Any = typer.main.get_command(app)
    context = typer.Context(group)
    for verb in list(group.commands):
        group.resolve_command(context, [verb])  # a verb's options are known once it is resolved
    text = get_docs_for_click(obj=group, ctx=context, name="clt-ray")
    return text[text.index("\n## ") :]
