"""How well digits in scenes are read, how often a wrong digit is sure, and the time of an intake.

Trains a net on MNIST, makes scenes of random test digits and pictures without a digit, and compares with the
net's accuracy on the clean images of the same digits. Times are processor time of one thread, for pictures
up to 0.5 megapixels, decoding apart. `benchmarks/intake.py N` takes N digits, by default 200, and
`benchmarks/intake.py fit` writes the Gaussians of the likeness again. `benchmarks/intake.py N FILE` also
reads the letters by hand in Omniglot's images_background_small1.zip (github.com/brendenlake/omniglot).
"""

import io
import os
import sys
import time
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from string import ascii_lowercase

import numpy as np

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from letters import typeface
from PIL import Image, ImageDraw, ImageFont

from models.data.digits import Digits, load
from models.nets.net import Net
from models.specs.spec import TrainSpec
from models.training.checkpoint import load_net
from models.training.loop import Run, Training, prepare_thread
from service import errors
from service.serving import nets
from service.serving.doubts import doubts_of
from service.serving.intake import likeness
from service.serving.intake.digits import normalise
from service.serving.pictures import decode
from tests.serving import no_digits, scenes

SURE, MOST_PIXELS = 0.9, 500_000
N_PHOTOS = 20
UNSEEN_FACES = "cmb10", "cmmi10", "cmr10", "cmss10", "cmti10", "cmtt10"
SEEN_FACES = "DejaVuSans", "DejaVuSerif-Italic", "STIXGeneral"


@dataclass
class Reading:
    """What the net says of a picture; digit −1 for a blank one."""

    digit: int
    is_sure: bool
    doubts: list[str]
    decode_ms: float
    intake_ms: float
    n_pixels: int

    @property
    def misleads(self) -> bool:
        """Whether it is sure and without a warning."""
        return self.is_sure and not self.doubts


def trained(digits: Digits, steps: int) -> Net:
    spec = TrainSpec(norm="batch", init=True, steps=steps)
    *_, last = Training([Run(spec)], digits).spans()
    return load_net(last[0].checkpoints[-1].weights, spec)


def judged(net: Net, pixels: np.ndarray, found: tuple[str, ...]) -> tuple[int, bool, list[str]]:
    row = pixels.reshape(1, -1).astype(np.float32)
    _, [probabilities] = nets.forward(net, row)
    digit = int(probabilities.argmax())
    [doubts] = doubts_of("mnist", row, [digit], [found])  # type: ignore[list-item]
    return digit, bool(probabilities[digit] > SURE), list(doubts)


def read(net: Net, data: bytes) -> Reading:
    n_pixels = int(np.prod(Image.open(io.BytesIO(data)).size))
    started = time.process_time()
    grey = decode(data)
    decoded = time.process_time()
    try:
        intake = normalise(grey)
    except errors.BlankImage:
        digit, is_sure, doubts = -1, False, ["blank-image"]
        ended = time.process_time()
    else:
        ended = time.process_time()
        digit, is_sure, doubts = judged(net, intake.image, intake.doubts)
    return Reading(digit, is_sure, doubts, 1e3 * (decoded - started), 1e3 * (ended - decoded), n_pixels)


def typed_letters(faces: tuple[str, ...], letters: str, rng: np.random.Generator) -> list[bytes]:
    """Return letters in typefaces that come with matplotlib."""
    pictures = []
    for face in faces:
        font = ImageFont.truetype(typeface(face), 200)
        for letter in letters:
            image = Image.new("L", (300, 300), 255)
            ImageDraw.Draw(image).text((150, 150), letter, 0, font, "mm")
            pictures.append(scenes.developed(np.asarray(image) / 255, rng))
    return pictures


def written_letters(file: str, letters: str) -> list[bytes]:
    """Return small letters that twenty people wrote by hand."""
    with zipfile.ZipFile(file) as archive:
        names = sorted(name for name in archive.namelist() if "/Latin/" in name and name.endswith(".png"))
        places = {f"character{place:02}": letter for place, letter in enumerate(ascii_lowercase, 1)}
        return [archive.read(name) for name in names if places[name.split("/")[2]] in letters]


def row(name: str, readings: list[Reading], right: str, most_pixels: int = MOST_PIXELS) -> None:
    misled = np.mean([reading.misleads for reading in readings])
    doubted = np.mean([bool(reading.doubts) for reading in readings])
    times = [reading for reading in readings if reading.n_pixels <= most_pixels]
    decoding, intake = (
        np.median([getattr(each, kind) for each in times]) for kind in ("decode_ms", "intake_ms")
    )
    print(f"| {name} | {right} | {misled:.1%} | {doubted:.1%} | {decoding:.1f} + {intake:.1f} |", flush=True)


def main() -> None:
    prepare_thread()
    digits = load("mnist", Path("data/datasets"))
    if sys.argv[1:] == ["fit"]:
        likeness.save(likeness.fit(digits.train.images.numpy(), digits.train.labels.numpy()))
        return
    net = trained(digits, 5000)
    all_images, all_labels = digits.test.images.numpy(), digits.test.labels.numpy()
    report_genuine(net, all_images, all_labels)
    rng = np.random.default_rng(11)
    rows = rng.choice(len(all_images), int(sys.argv[1]) if sys.argv[1:] else 200, replace=False)
    images = (all_images[rows] * 255).round().astype(np.uint8).reshape(-1, 28, 28)
    clean = np.mean([judged(net, image / 255, ())[0] for image in images] == all_labels[rows])
    print(f"{len(rows)} digits, of which the net reads {clean:.1%} in their clean images\n")
    print("| scene | accuracy, relative | sure, wrong, no warning | warned | ms to decode + intake |")
    misled = []
    for name, scene in scenes.SCENES.items():
        readings = [read(net, scene(image, rng)) for image in images]
        right = np.array([reading.digit for reading in readings]) == all_labels[rows]
        for reading, is_right in zip(readings, right, strict=True):
            reading.is_sure &= not is_right
        misled += [reading.misleads for reading in readings]
        row(name, readings, f"{right.mean() / clean:.1%}")
    print(f"sure, wrong and without a warning, over all scenes: {np.mean(misled):.2%}")
    report_photos(net, images[:N_PHOTOS], all_labels[rows[:N_PHOTOS]], rng)
    for name, make in no_digits.NO_DIGITS.items():
        if name == "letter":
            continue
        row(name, [read(net, make(rng)) for _ in rows], "–")
    pairs = zip(images, images[::-1], strict=True)
    row("two digits", [read(net, no_digits.two_digits(pair, rng)) for pair in pairs], "–")
    report_letters(net, len(rows), rng)


def report_photos(net: Net, images: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> None:
    """Print the row of photos of 12 megapixels, each of which takes a second to make."""
    photos = [scenes.phone_photo(image, rng) for image in images]
    readings = [read(net, photo) for photo in photos]
    for reading, label in zip(readings, labels, strict=True):
        reading.is_sure &= bool(reading.digit != label)
    found, clean = [each.digit for each in readings], [judged(net, image / 255, ())[0] for image in images]
    n_right, n_clean = (int((np.array(digits) == labels).sum()) for digits in (found, clean))
    row("photo of 12 megapixels", readings, f"{n_right} of {len(images)}, clean {n_clean}", 2 * 10**7)
    print(f"these photos have {np.median([len(photo) for photo in photos]) / 1e6:.1f} MB in the median")


def report_letters(net: Net, n_letters: int, rng: np.random.Generator) -> None:
    for kind, letters in ("", no_digits.LETTERS), ("digit-like ", no_digits.DIGIT_LIKE):
        pillow = [read(net, no_digits.letter(rng, letters)) for _ in range(n_letters)]
        row(f"{kind}letters of Pillow's font", pillow, "–")
        for name, faces in ("unseen", UNSEEN_FACES), ("seen", SEEN_FACES):
            pictures = typed_letters(faces, letters, rng)
            row(f"{kind}letters of {name} typefaces", [read(net, data) for data in pictures], "–")
        if sys.argv[2:]:
            written = written_letters(sys.argv[2], letters)
            row(f"{kind}letters by hand", [read(net, data) for data in written], "–")


def report_genuine(net: Net, images: np.ndarray, labels: np.ndarray) -> None:
    outputs = np.concatenate([nets.forward(net, block)[1] for block in np.array_split(images, 20)])
    found = outputs.argmax(1)
    doubts = doubts_of("mnist", images, found.tolist(), [()] * len(images))
    doubted = np.array([bool(each) for each in doubts])
    counts = Counter(doubt for each in doubts for doubt in each)
    wrong = (found != labels) & (outputs.max(1) > SURE)
    print(
        f"MNIST's test images: accuracy {np.mean(found == labels):.2%}, warned {doubted.mean():.2%}, of those"
    )
    print(
        f"read right {doubted[found == labels].mean():.2%}; {dict(counts)}; sure and wrong {wrong.mean():.2%}"
    )


if __name__ == "__main__":
    main()
