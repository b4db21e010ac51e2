"""The pages of the docs: their blocks, tables and links, and how an output may differ from the one shown."""

import importlib.util
import re
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

ROOT = Path(__file__).parents[1]

MASKS = {
    r"\b(job|cmp|req)_[0-9a-f]{32}\b": "an id",
    r"\b[0-9a-f]{64}\b": "a hash",
    r"\b\d{4}-\d\d-\d\dT[\d:.]+Z": "a time",
    r"\b\d{4}-\d\d-\d\d \d\d:\d\d UTC": "a time",
    r'(?<=seconds":)\s*[\d.e-]+': "seconds",
    r"[\d.]+(?= seconds)": "some",
}
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")


class Fence(NamedTuple):
    """A fenced block: its language and its text."""

    language: str
    text: str

    def first_line(self) -> str:
        return self.text.partition("\n")[0]


class Page:
    """A page of Markdown."""

    def __init__(self, name: str) -> None:
        self.path = ROOT / name
        self.text = self.path.read_text()
        self.prose = re.sub(r"^```.*?^```$", "", self.text, flags=re.MULTILINE | re.DOTALL)
        found = re.findall(r"^```(\w*)\n(.*?)^```$", self.text, re.MULTILINE | re.DOTALL)
        self.fences = [Fence(*each) for each in found]

    def commands(self) -> list[tuple[Fence, Fence]]:
        """The `sh` blocks, each with the block that follows it."""
        following = pairwise([*self.fences, Fence("nothing", "")])
        return [(each, after) for each, after in following if each.language == "sh"]

    def blocks(self, language: str) -> list[Fence]:
        return [each for each in self.fences if each.language == language]

    def rows(self, heading: str) -> dict[str, list[str]]:
        """The cells of each row of a section's tables, by every code that the first cell names."""
        section = self.prose.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
        found: dict[str, list[str]] = {}
        for row in re.findall(r"^\| (`[^|]*`) \| (.*) \|$", section, re.MULTILINE):
            cells = [cell.replace(r"\|", "|") for cell in row[1].split(" | ")]
            found |= dict.fromkeys(re.findall(r"`([^`]+)`", row[0]), cells)
        return found

    def links(self) -> list[str]:
        """The links and pictures that are files of ours."""
        targets = re.findall(r"\]\(([^)\s]+)\)|(?:src|srcset)=\"([^\"]+)\"", self.prose)
        return [link or picture for link, picture in targets if not link.startswith("http")]

    def leads_somewhere(self, link: str) -> bool:
        path, _, anchor = link.partition("#")
        target = self.path.parent / path if path else self.path
        if not anchor or not target.is_file():
            return target.exists()
        headings = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
        return anchor in {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def module_of(block: Fence, folder: Path) -> ModuleType:
    """Load a `python` block as a module of its own."""
    path = folder / "block.py"
    path.write_text(block.text)
    spec = importlib.util.spec_from_file_location("block", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def differences(output: str, shown: str) -> list[tuple[str, str]]:
    """What an output has in place of what a page shows, apart from ids, hashes, times and seconds.

    Whole numbers must be equal. Others may differ by less than 0.001: kinds of CPU round differently within
    a matrix multiplication, and after 1,000 steps that moves an accuracy by a few of 10,000 images.
    """
    texts = [masked(text.strip()) for text in (output, shown)]
    words, words_shown = (NUMBER.split(text) for text in texts)
    if words != words_shown:
        return [(texts[0], texts[1])]
    numbers, numbers_shown = (NUMBER.findall(text) for text in texts)
    return [pair for pair in zip(numbers, numbers_shown, strict=True) if not close(*pair)]


def masked(text: str) -> str:
    for pattern, word in MASKS.items():
        text = re.sub(pattern, word, text)
    return text


def close(number: str, shown: str) -> bool:
    if number == shown or number.isdigit() or shown.isdigit():
        return number == shown
    return abs(float(number) - float(shown)) < 0.001
