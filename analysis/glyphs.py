"""Characters of a figure's texts that its font cannot draw."""

import re
from collections.abc import Mapping
from itertools import chain, repeat

NO_GLYPH = "\N{REPLACEMENT CHARACTER}"
UNPRINTABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")  # XML forbids most of them
SUBSTITUTES = range(0x2500, 0x2C00)  # box drawing to arrows


def substitutes_for(text: str, can_restore: bool) -> dict[int, str]:
    """Choose a substitute for each character of the text that the font has no glyph for.

    matplotlib warns of characters without a glyph. In an SVG the fonts of the reader may have one, so each
    gets its own substitute if `can_restore`, and `restore` puts the character back.
    """
    from matplotlib.font_manager import findfont, get_font  # noqa: PLC0415 # takes long, as in analysis/plots.py

    known = get_font(findfont("DejaVu Sans")).get_charmap()
    unprintable = set(UNPRINTABLE.findall(text))
    missing = sorted({character for character in text if ord(character) not in known} - unprintable)
    unused = (chr(code) for code in sorted(known) if code in SUBSTITUTES and chr(code) not in text)
    chosen = chain(unused if can_restore else (), repeat(NO_GLYPH))
    return {ord(character): NO_GLYPH for character in unprintable} | {
        ord(character): substitute for character, substitute in zip(missing, chosen, strict=False)
    }


def restore(svg: bytes, substitutes: Mapping[int, str]) -> bytes:
    """Put the characters back for which an SVG has substitutes."""
    characters = {ord(each): code for code, each in substitutes.items() if each != NO_GLYPH}
    return svg.decode().translate(characters).encode()
