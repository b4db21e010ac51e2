"""A prediction of one picture beside two uploads of 256 pictures of 2000 × 2000, and a stop meanwhile."""

import io
import statistics
import threading
import time
from contextlib import suppress

import httpx
import numpy as np
from PIL import Image
from running import finish, service

SMALL, PICTURES = 10, 256
ARRIVAL_SECONDS = 3


def picture() -> bytes:
    """Draw a stroke as PNG."""
    pixels = np.zeros((2000, 2000), np.uint8)
    pixels[600:1400, 900:1100] = 255
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def predict(url: str, png: bytes, n: int) -> float:
    """Upload a picture n times in one request; return the milliseconds until its response."""
    began = time.perf_counter()
    with suppress(httpx.TransportError):  # the service stops at the end
        httpx.post(url, files=[("file", ("a.png", png))] * n, timeout=120)
    return 1000 * (time.perf_counter() - began)


def main() -> None:
    png = picture()
    with service() as address:
        with httpx.Client(base_url=address, timeout=120) as client:
            job = finish(client, client.post("/jobs", json={"steps": 50}).json()["id"])
        url = f"{address}/jobs/{job['id']}/predict"
        alone = [predict(url, png, 1) for _ in range(SMALL)]
        uploads = [threading.Thread(target=predict, args=(url, png, PICTURES)) for _ in range(2)]
        for upload in uploads:
            upload.start()
        time.sleep(ARRIVAL_SECONDS)
        beside = [predict(url, png, 1) for _ in range(SMALL)]
        print(f"one picture alone: median {statistics.median(alone):.0f} ms")
        print(f"beside two uploads: median {statistics.median(beside):.0f} ms, worst {max(beside):.0f} ms")
        stopping = time.perf_counter()
    print(f"a stop meanwhile: {time.perf_counter() - stopping:.1f} s")
    for upload in uploads:
        upload.join()


if __name__ == "__main__":
    main()
