"""Makes the pictures of the README and the documentation site: docs/images/terminal.svg and docs/images/report.png.

    make demo       # once, for the runs and their report in clt-runs/
    make pictures   # needs Chromium

The terminal's picture is the output of real commands, and the report's picture is a screenshot of the report's first
screen.
"""

from __future__ import annotations

import io
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from PIL import Image, ImageChops
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]
COLUMNS: Final = 100
COMMANDS: Final = (("plan sweeps/smoke.yaml", None), ("advise --task math --model aya-23-7b", 12))
"""Arguments of `clt-ray`, and how many lines of the output are shown (all of them if None)."""
REPORT: Final = ROOT / "clt-runs" / "reports" / "smoke" / "index.html"
PAGE_SIZE: Final = (880, 2400)
"""Width and height of the browser's window, in pixels of the page."""
EXCERPT: Final = (
    "section:not(#findings, #english), #findings :is(figure, h3), #english figure ~ *, nav { display: none !important }"
)
"""Style that leaves the findings and the first figure of the report."""
MARGIN: Final = 30
"""Pixels of the picture that are kept below its content."""
SCALE: Final = 1.6
"""Pixels of the picture per pixel of the page."""
COLOURS: Final = 192
"""Colours that the picture of the report keeps, which make it a fraction of the size."""
CHROMIUM: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--hide-scrollbars",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def main() -> None:
    """Makes both pictures."""
    (HERE / "terminal.svg").write_text(terminal_svg(COMMANDS), encoding="utf-8")
    screenshot(REPORT, HERE / "report.png")


def terminal_svg(commands: Sequence[tuple[str, int | None]]) -> str:
    """Returns a picture of a terminal in which `clt-ray` runs the commands, as they are before any run has started."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    with tempfile.TemporaryDirectory() as empty_storage:
        for command, shown in commands:
            output = terminal_output([sys.executable, "-m", "clt_ray", *command.split()], empty_storage).splitlines()
            suffix = f" | head -{shown}" if shown else ""
            console.print(Text.assemble(("$ ", "bold green"), (f"clt-ray {command}{suffix}", "bold")))
            console.print(Text.from_ansi("\n".join(output[:shown])))
            console.print()
    svg = console.export_svg(title="clt-ray", theme=MONOKAI)
    # Rich refers to a web font. A picture fetches nothing, so the reader's own monospaced font is used.
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)


def terminal_output(command: list[str], storage: str) -> str:
    """Returns what a command prints, with its colours, in a terminal of `COLUMNS` columns."""
    main_end, command_end = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(COLUMNS), "TERM": "xterm-256color", "CLT_RAY_STORAGE": storage}
    process = subprocess.Popen(command, stdout=command_end, stderr=subprocess.DEVNULL, cwd=ROOT, env=environment)
    os.close(command_end)
    chunks = []
    while True:
        try:
            chunk = os.read(main_end, 65536)
        except OSError:  # Linux reports the end of a terminal as an error
            break
        if not chunk:
            break
        chunks.append(chunk)
    os.close(main_end)
    process.wait()
    return b"".join(chunks).decode("utf-8").replace("\r\n", "\n").rstrip()


def screenshot(page: Path, picture: Path) -> None:
    """Writes a picture of the findings and the first figure of a report."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        raise SystemExit("Chromium is not installed: apt-get install chromium")
    if not page.is_file():
        raise SystemExit(f"{page} is missing: run `make demo` first")
    with tempfile.TemporaryDirectory() as folder:
        excerpt, shot = Path(folder) / "excerpt.html", Path(folder) / "shot.png"
        excerpt.write_text(page.read_text("utf-8").replace("</head>", f"<style>{EXCERPT}</style></head>"), "utf-8")
        options = [
            *CHROMIUM,
            f"--user-data-dir={folder}/profile",
            f"--screenshot={shot}",
            f"--window-size={PAGE_SIZE[0]},{PAGE_SIZE[1]}",
            f"--force-device-scale-factor={SCALE}",
        ]
        subprocess.run([browser, *options, excerpt.as_uri()], check=True, stderr=subprocess.DEVNULL)
        with Image.open(shot) as image:
            trimmed(image.convert("RGB")).quantize(COLOURS).save(picture, optimize=True)


def trimmed(image: Image.Image) -> Image.Image:
    """Returns an image without the empty part at its bottom, but for a margin."""
    background = Image.new("RGB", image.size, image.getpixel((0, image.height - 1)))
    content = ImageChops.difference(image, background).getbbox() or (0, 0, *image.size)
    return image.crop((0, 0, image.width, min(image.height, content[3] + MARGIN)))


if __name__ == "__main__":
    main()
