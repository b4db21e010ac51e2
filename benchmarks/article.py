"""The article's comparison end to end: 25 runs of 1,000 steps, through HTTP and the database or by hand.

Ours: all jobs are submitted and trained, and their rows and checkpoints stored, until the last job has ended.
By hand: an eager PyTorch loop with the same evaluations, one run after another, with all cores.
The two alternate.
"""

import statistics
import time
from pathlib import Path

import httpx
import torch
from eager import evaluate, net_of, training_step
from running import finish, service

from models.data.digits import Digits, load

ARMS = [("none", False), ("weight", False), ("weight", True), ("batch", False), ("layer", False)]
SEEDS, STEPS, EVAL_EVERY, REPETITIONS = range(5), 1000, 100, 3


def ours(client: httpx.Client) -> float:
    started = time.perf_counter()
    specs = [{"norm": norm, "init": init, "seed": seed} for norm, init in ARMS for seed in SEEDS]
    ids = [client.post("/jobs", json=spec).json()["id"] for spec in specs]
    ended = [finish(client, job_id)["status"] for job_id in ids]
    if ended != ["succeeded"] * len(specs):
        raise RuntimeError("a job did not succeed")
    return time.perf_counter() - started


def by_hand(digits: Digits) -> float:
    started = time.perf_counter()
    for norm, _ in ARMS:
        for seed in SEEDS:
            net = net_of(norm)
            step = training_step(net, digits, seed)
            for number in range(1, STEPS + 1):
                step()
                if number % EVAL_EVERY == 0:
                    evaluate(net, digits.validation)
                    evaluate(net, digits.test)
    return time.perf_counter() - started


def main() -> None:
    torch.set_flush_denormal(True)
    digits = load("mnist", Path("data/datasets"))
    times: dict[str, list[float]] = {"ours": [], "by hand": []}
    with service() as address, httpx.Client(base_url=address, timeout=120) as client:
        for _ in range(REPETITIONS):
            times["ours"].append(ours(client))
            times["by hand"].append(by_hand(digits))
    ours_seconds, hand_seconds = (statistics.median(values) for values in times.values())
    print(
        f"the article's 25 runs: ours {ours_seconds:.1f} s, by hand with {torch.get_num_threads()} threads "
        f"{hand_seconds:.1f} s, ratio {hand_seconds / ours_seconds:.2f}"
    )


if __name__ == "__main__":
    main()
