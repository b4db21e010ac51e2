"""The pages of a report: Markdown, and HTML made from it."""

import html as markup
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

from service.comparing.words import FILTERS

SIGNS = re.compile(r"([\\`*_\[\]<>|~&#!$])")
STARTS_A_BLOCK = re.compile(r"^(\d*)([-+.)=:])")

STYLE = (Path(__file__).parent / "static" / "report.css").read_text()
STYLE_SHA256 = b64encode(sha256(STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; img-src data:; style-src 'sha256-{STYLE_SHA256}'; frame-ancestors 'none'"


def markdown(facts: Mapping[str, Any], figure: str | None = None) -> str:
    """Write a report; `figure` is the address of its picture."""
    return _templates.get_template("report.md.jinja").render(facts, figure=figure)


def html(facts: Mapping[str, Any], figures: Sequence[str]) -> str:
    """Write a report as one page; `figures` are data URLs for light and dark screens, or none."""
    tokens = _commonmark.parse(markdown(facts, "figure" if figures else None))
    for token in tokens:
        # The page's policy allows no style attribute.
        if "right" in str(token.attrs.pop("style", "")):
            token.attrSet("class", "right")
    body = _commonmark.renderer.render(tokens, _commonmark.options, {"figures": figures})
    page = _templates.get_template("report.html.jinja")
    return page.render(title=facts["title"], style=STYLE, body=body)


def _text(value: str) -> str:
    """Escape what Markdown would read as more than text."""
    return STARTS_A_BLOCK.sub(r"\1\\\2", SIGNS.sub(r"\\\1", value.strip()))


def _picture(
    renderer: RendererHTML, tokens: Sequence[Token], place: int, options: Any, env: Mapping[str, Any]
) -> str:
    """Show the figure that suits the reader's screen."""
    light, dark = env["figures"]
    words = renderer.renderInlineAsText(tokens[place].children, options, dict(env))
    source = f'<source media="(prefers-color-scheme: dark)" srcset="{dark}">'
    return f'<picture>{source}<img src="{light}" alt="{markup.escape(words)}"></picture>'


_templates = Environment(
    loader=PackageLoader("service.api.comparisons"),
    autoescape=select_autoescape(["html.jinja"], default=False),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters |= {**FILTERS, "text": _text}
_commonmark = MarkdownIt("commonmark", {"html": False}).enable("table")
_commonmark.add_render_rule("image", _picture)
