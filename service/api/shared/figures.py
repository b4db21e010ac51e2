"""What the figures of comparisons and jobs have in common."""

from typing import Annotated

from fastapi import Query

from analysis.plots import ImageFormat, Theme
from service.api.shared.downloads import shown_as

FIGURE_TYPES: dict[ImageFormat, str] = {"png": "image/png", "svg": "image/svg+xml"}
SAFETY = {
    # matplotlib writes the looks of an SVG into style attributes.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}

Background = Annotated[Theme, Query(description="The background that the figure is for.")]


def headers_of_figure(public_id: str, image_format: ImageFormat) -> dict[str, str]:
    """Return the headers of a figure, by which browsers show it and run nothing in it."""
    return {**SAFETY, **shown_as(f"{public_id}-plot.{image_format}")}
