"""The article's comparison end to end: 25 runs of 1,000 steps, through HTTP and the database or by hand.

Ours: one request submits a preset; its runs are trained, and their rows and checkpoints stored, until the
last has ended. By hand: eager PyTorch loops with the same evaluations, one run after another, with all cores.
The two alternate. Arguments: another preset, such as article_lstm, and fewer steps and repetitions.
"""

import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx
import torch
from eager import evaluate, net_of, training_step
from eager_nets import EAGER
from running import service
from torch import nn

from models.data.digits import Digits, load
from models.specs.comparison import ComparisonSpec
from models.specs.spec import TrainSpec

SEEDS = 5


def ours(client: httpx.Client, preset: str, steps: int) -> float:
    started = time.perf_counter()
    asked = {"preset": preset, "seeds": SEEDS, "base": {"steps": steps}}
    links = client.post("/comparisons", json=asked).raise_for_status().json()["links"]
    while (found := client.get(f"{links['self']}?wait=30").json())["status"] != "ended":
        pass
    if found["progress"]["succeeded"] != found["jobs"]:
        raise RuntimeError("a job did not succeed")
    return time.perf_counter() - started


def by_hand(digits: Digits, specs: list[TrainSpec]) -> float:
    started = time.perf_counter()
    for spec in specs:
        net = net_by_hand(spec)()
        step = training_step(net, digits, spec.seed)
        for number in range(1, spec.steps + 1):
            step()
            if number % spec.eval_every == 0:
                evaluate(net, digits.validation)
                evaluate(net, digits.test)
    return time.perf_counter() - started


def net_by_hand(spec: TrainSpec) -> Callable[[], nn.Module]:
    """Return what makes the net of a spec with torch's layers."""
    return partial(net_of, spec.norm) if spec.net == "dense" else EAGER[spec.net, spec.norm]


def main(preset: str = "article", steps: str = "1000", repetitions: str = "3") -> None:
    torch.set_flush_denormal(True)
    digits = load("mnist", Path("data/datasets"))
    asked = {"preset": preset, "seeds": SEEDS, "base": {"steps": int(steps)}}
    specs = [run.spec for run in ComparisonSpec.model_validate(asked).runs()]
    times: dict[str, list[float]] = {"ours": [], "by hand": []}
    with service() as address, httpx.Client(base_url=address, timeout=120) as client:
        for _ in range(int(repetitions)):
            times["ours"].append(ours(client, preset, int(steps)))
            times["by hand"].append(by_hand(digits, specs))
    ours_seconds, hand_seconds = (statistics.median(values) for values in times.values())
    print(
        f"{preset}, {len(specs)} runs of {steps} steps: ours {ours_seconds:.1f} s, by hand with "
        f"{torch.get_num_threads()} threads {hand_seconds:.1f} s, ratio {hand_seconds / ours_seconds:.2f}"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
