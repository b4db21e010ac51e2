"""What the figures of comparisons and jobs have in common."""

from typing import Annotated

from fastapi import Query

from analysis.plots import ImageFormat, Theme
from service.api.shared.downloads import shown_as

FIGURE_TYPES: dict[ImageFormat, str] = {"png": "image/png", "svg": "image/svg+xml"}

Background = Annotated[Theme, Query(description="The background that the figure is for.")]


def name_of_figure(public_id: str, image_format: ImageFormat) -> dict[str, str]:
    """Return the header by which browsers show a figure, and name its file if it is saved."""
    return shown_as(f"{public_id}-plot.{image_format}")
