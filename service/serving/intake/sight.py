"""One look at a grey picture: where its ink is, if ink is darker (or lighter) than the ground."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image, ImageFilter

from service.serving.intake import ground
from service.serving.intake.frames import without_frames
from service.serving.intake.ground import Polarity
from service.serving.intake.groups import Group, groups_of
from service.serving.intake.lines import lines_of
from service.serving.intake.masks import Grey, Mask, dilated, level, levels, otsu
from service.serving.intake.parts import FEW_PARTS, MaskParts, parts_of
from service.serving.intake.tight import cut_to_digit

_BLUR_SHARE, _LEAST_BLUR = 1 / 320, 0.35
_LEAST_CONTRAST, _NOISE_FACTOR, _EDGE = 24, 5.0, 0.8
_NO_GAP, _ALL_CONTRAST = 0.01, 0.85
_GAP, _LIKE_SHARE, _STRONGER = 0.08, 0.25, 1.1
_LEAST_INK_SHARE = 0.002


@dataclass(frozen=True, eq=False)
class Sight:
    """The ink of a picture at a small scale."""

    polarity: Polarity
    smooth: Grey
    """The picture, a little blurred."""
    base: Grey
    """The ground under the ink."""
    parts: MaskParts
    """The connected parts of what is certainly ink, without lines and frames."""
    erased: Mask
    """The lines and frames, and what their edges blur into."""
    quiet: float
    """How inked the ground seems."""
    noise: float
    """How far noise rises above `quiet`."""
    is_cut_to_digit: bool = False
    """Whether the picture ends where its digit ends."""

    @property
    def strong(self) -> Mask:
        """Where ink is certain."""
        return self.parts.mask

    @cached_property
    def core(self) -> Mask:
        """Where the largest group is."""
        return np.isin(self.parts.labels, self.groups[0].names)

    @cached_property
    def level(self) -> float:
        """The level of full ink in the picture."""
        values = self.smooth[self.core]
        return float(level(values, 0.3 if self.polarity == "dark_on_light" else 0.7))

    @cached_property
    def contrast(self) -> float:
        """How far full ink differs from its ground."""
        return abs(self.level - float(np.median(self.base[self.core])))

    @property
    def is_certain(self) -> bool:
        """Whether no other ink can be the real one: this has all the contrast, and no area is like it."""
        spread = int(self.smooth.max()) - int(self.smooth.min())
        return self.gap_share <= _NO_GAP and self.contrast >= _ALL_CONTRAST * spread

    @cached_property
    def gap_share(self) -> float:
        """How much of the ground has the level of the ink."""
        counts = np.bincount(self.base.ravel(), minlength=256)
        is_like = np.abs(np.arange(256) - self.level) < _LIKE_SHARE * self.contrast
        return float(counts[is_like].sum() / self.base.size)

    @cached_property
    def groups(self) -> list[Group]:
        """The parts, grouped to digits, the largest first."""
        return groups_of(self.parts)


def sights_of(grey: Grey, most_parts: int = FEW_PARTS) -> list[Sight]:
    """Return what ink is in a picture of a few hundred pixels a side: dark ink, light ink, or both."""
    smooth = _smooth(grey)
    cut = cut_to_digit(smooth)
    if cut is not None:
        return [_whole(smooth, *cut)]
    looks = []
    for polarity in _likely_first(smooth):
        sight = _look(smooth, polarity, most_parts)
        if sight is not None and sight.groups:
            looks.append(sight)
            if sight.is_certain:
                break
            # Paper between a line and a digit is no light ink.
            smooth = np.where(sight.erased, sight.base, smooth)
    return looks


def is_cut_to_digit(grey: Grey) -> bool:
    """Return whether ink touches every side, as in a picture that was cut to its digit."""
    return cut_to_digit(_smooth(grey)) is not None


def _likely_first(smooth: Grey) -> tuple[Polarity, Polarity]:
    is_light = 2 * level(smooth, 0.5) > int(smooth.min()) + int(smooth.max())
    return ("dark_on_light", "light_on_dark") if is_light else ("light_on_dark", "dark_on_light")


def real_ink_of(outer: Sight, inner: Sight) -> Sight:
    """Return which of two kinds of ink is real: the other is paper between ink, such as the inside of a 0.

    Such paper has the level of wide areas. If both or neither have, the real one has the stronger contrast: a
    shadow or a desk is lighter than ink.
    """
    is_outer_like_paper, is_inner_like_paper = (sight.gap_share >= _GAP for sight in (outer, inner))
    if is_outer_like_paper == is_inner_like_paper:
        return inner if inner.contrast > _STRONGER * outer.contrast else outer
    return inner if is_outer_like_paper else outer


def _whole(smooth: Grey, polarity: Polarity, ink: Mask) -> Sight:
    base = np.full_like(smooth, level(smooth[~ink], 0.5))
    return Sight(polarity, smooth, base, parts_of(ink), np.zeros_like(ink), 0, 4, is_cut_to_digit=True)


def _look(smooth: Grey, polarity: Polarity, most_parts: int) -> Sight | None:
    base = ground.ground_of(smooth, polarity, ground.window_of(smooth.shape))
    ink = ground.ink_of(smooth, base, polarity)
    quiet, noise = _quiet_and_noise(ink)
    raised = ink[ink > quiet + noise + 4]
    if raised.size == 0:
        return None
    strong = ink > max(quiet + _EDGE * (otsu(raised) - quiet), quiet + noise)
    if level(ink[strong], 0.8) - quiet < max(_LEAST_CONTRAST, noise):
        return None
    cleaned = _cleaned(strong, most_parts)
    erased = strong & ~cleaned.mask
    if erased.any():
        erased = dilated(erased, 3, 3) & ~cleaned.mask
    return Sight(polarity, smooth, base, cleaned, erased, quiet, noise)


def _quiet_and_noise(ink: Grey) -> tuple[float, float]:
    """Estimate the ground's level and noise from the less inked third, since thick ink may fill half."""
    low, high = levels(ink, 0.1, 0.3)
    spread = (high - low) / 0.76
    return high + 0.52 * spread, _NOISE_FACTOR * spread


def _smooth(grey: Grey) -> Grey:
    blur = max(grey.shape) * _BLUR_SHARE
    if blur < _LEAST_BLUR:
        return grey
    return np.asarray(Image.fromarray(np.ascontiguousarray(grey)).filter(ImageFilter.BoxBlur(blur)))


def _cleaned(strong: Mask, most_parts: int) -> MaskParts:
    """Drop lines and frames, unless hardly anything would be left: then it is the digit."""
    lines = lines_of(strong)
    if lines.any():
        left = parts_of(strong & ~lines, most_parts)
        if left.areas[:1].sum() >= _LEAST_INK_SHARE * lines.size:
            return without_frames(left, most_parts)
    return without_frames(parts_of(strong, most_parts), most_parts)
