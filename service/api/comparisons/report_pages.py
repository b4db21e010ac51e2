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

from service.comparing.words import counted

SIGNS = re.compile(r"([\\`*_\[\]<>|~&#!$])")
STARTS_A_BLOCK = re.compile(r"^(\d*)([-+.)=:])")

STYLE = (Path(__file__).parent / "static" / "report.css").read_text()
STYLE_SHA256 = b64encode(sha256(STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; img-src data:; style-src 'sha256-{STYLE_SHA256}'; frame-ancestors 'none'"


def markdown(facts: Mapping[str, Any], figure: str | None = None) -> str:
    """Write a report; `figure` is the address of its picture."""
    differences = facts["summary"]["differences"]
    shown = [each for each in differences if each["verdict"] != "not_told_apart"]
    not_shown = [each for each in differences if each["verdict"] == "not_told_apart"]
    page = _templates.get_template("report.md.jinja")
    return page.render(facts, figure=figure, shown=shown, not_shown=not_shown)


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


def _figure(value: float | None, digits: int = 4) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _interval(interval: Sequence[float] | None) -> str:
    return "–" if interval is None else f"{interval[0]:+.4f} to {interval[1]:+.4f}"


def _mean(found: Mapping[str, Any]) -> str:
    mean, interval = found["mean"], found["interval"]
    if mean is None or interval is None:
        return _figure(mean)
    return f"{mean:.4f} ± {(interval[1] - interval[0]) / 2:.4f}"


def _arrival(found: Mapping[str, Any]) -> str:
    if found["n"] and found["n_censored"] == found["n"]:
        return "not reached"
    if found["n_censored"]:
        return f"{found['n_censored']} of {found['n']} not reached"
    return _figure(found["mean"], 0)


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
_templates.filters |= {
    "text": _text,
    "figure": _figure,
    "interval": _interval,
    "mean": _mean,
    "arrival": _arrival,
    "counted": counted,
}
_commonmark = MarkdownIt("commonmark", {"html": False}).enable("table")
_commonmark.add_render_rule("image", _picture)
