"""The build step: puts the style into the page, so that one request brings everything.

Usage: python3 assets.py OUT
"""

import re
import sys
from pathlib import Path


def minify(css: str) -> str:
    """The same style without comments and needless space."""
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.S)
    css = re.sub(r"\s+", " ", css)
    return re.sub(r"\s*([{};,>])\s*", r"\1", css).strip()


def main(out: Path) -> None:
    """Write `out`/page.html."""
    here = Path(__file__).parent
    page = (here / "page.html").read_text(encoding="utf-8")
    style = minify((here / "style.css").read_text(encoding="utf-8"))
    out.mkdir(parents=True, exist_ok=True)
    (out / "page.html").write_text(page.replace("/*STYLE*/", style), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
