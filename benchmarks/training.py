"""The time of a training step compared with its matrix multiplications and with an eager PyTorch loop.

Several processes, one after another and with one thread each, time (a) only the GEMMs of a step, (b) our
step for one run and for eight stacked runs, and (c) the eager PyTorch loop. These alternate; the fastest of
several repetitions counts. The table has medians over the processes. Overhead is a step minus its GEMMs.
A second table has whole steps of the other nets.
"""

import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from eager import BATCH, N_IN, N_OUT, N_UNITS, net_of, training_step
from eager_nets import EAGER as EAGER_NETS

from models.data.digits import Digits, load
from models.specs.facts import NORMS, NetName, Norm
from models.specs.spec import TrainSpec
from models.training.loop import Run, Training, prepare_thread

EAGER = ("none", "weight", "batch", "layer")
STACKED, STEPS, REPETITIONS, PROCESSES = 8, 100, 7, 5
STEPS_OF_NETS = 5
COLUMNS = (
    "norm",
    "GEMMs",
    "single",
    f"stacked {STACKED}",
    "eager",
    "overhead, single",
    "overhead, stacked",
    "step, single",
    "GEMM share, stacked",
)


def gemms(runs: int) -> Callable[[], object]:
    """Return a function that computes the five matrix multiplications of a step of `runs` stacked runs."""
    x, h, w1, w2 = (
        torch.rand(runs, *shape)
        for shape in ((BATCH, N_IN), (BATCH, N_UNITS), (N_IN, N_UNITS), (N_UNITS, N_OUT))
    )
    dz1, dz2 = torch.rand(runs, BATCH, N_UNITS), torch.rand(runs, BATCH, N_OUT)
    a1, a2, dh = (
        torch.empty(runs, BATCH, N_UNITS),
        torch.empty(runs, BATCH, N_OUT),
        torch.empty(runs, BATCH, N_UNITS),
    )

    def step() -> None:
        torch.bmm(x, w1, out=a1)
        torch.bmm(h, w2, out=a2)
        torch.bmm(dz2, w2.transpose(1, 2), out=dh)
        w2.baddbmm_(h.transpose(1, 2), dz2, alpha=-1e-9)
        w1.baddbmm_(x.transpose(1, 2), dz1, alpha=-1e-9)

    return step


def ours(norm: Norm, runs: int, digits: Digits, net: NetName = "dense") -> Callable[[], object]:
    """Return a function that takes one training step of ours, including the batch and the update."""
    specs = [TrainSpec(net=net, norm=norm, seed=seed, steps=10**6) for seed in range(runs)]
    training = Training([Run(spec) for spec in specs], digits)
    batches = training.batches()

    def step() -> None:
        training.advance(next(batches))

    return step


def seconds_per_step(step: Callable[[], object], steps: int = STEPS) -> float:
    started = time.perf_counter()
    for _ in range(steps):
        step()
    return (time.perf_counter() - started) / steps


def measure() -> dict[str, float]:
    """Time every kind in this process, alternating; return the shortest seconds per step of each."""
    prepare_thread()
    digits = load("mnist", Path(sys.argv[2]))
    kinds = {"gemms 1": gemms(1), f"gemms {STACKED}": gemms(STACKED)}
    for norm in NORMS:
        kinds |= {f"{norm} {runs}": ours(norm, runs, digits) for runs in (1, STACKED)}
    kinds |= {f"{norm} eager": training_step(net_of(norm), digits) for norm in EAGER}
    other: dict[str, Callable[[], object]] = {}
    for (net, norm), eager in EAGER_NETS.items():
        other |= {f"{net} {norm} {runs}": ours(norm, runs, digits, net) for runs in (1, STACKED)}
        other[f"{net} {norm} eager"] = training_step(eager(), digits)
    found: dict[str, list[float]] = {name: [] for name in (*kinds, *other)}
    for _ in range(REPETITIONS):
        for name, step in kinds.items():
            found[name].append(seconds_per_step(step))
        for name, step in other.items():
            found[name].append(seconds_per_step(step, STEPS_OF_NETS))
    return {name: min(values) for name, values in found.items()}


def main() -> None:
    cache = sys.argv[1] if len(sys.argv) > 1 else "data/datasets"
    load("mnist", Path(cache))
    command = [sys.executable, __file__, "--one-process", cache]
    runs = [json.loads(subprocess.check_output(command)) for _ in range(PROCESSES)]
    times = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    print(f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}, 1 thread per process")
    print("µs per run and step; overhead = step − GEMMs; ratios are eager : ours\n")
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    for norm in NORMS:
        print(row(norm, times))
    print(
        f"\n| net, norm | single | stacked {STACKED} | eager | step, single | step, stacked |\n|{'---|' * 6}"
    )
    for net, norm in EAGER_NETS:
        print(row_of_net(f"{net} {norm}", times))


def row_of_net(name: str, times: dict[str, float]) -> str:
    single, stacked, eager = times[f"{name} 1"], times[f"{name} {STACKED}"] / STACKED, times[f"{name} eager"]
    cells = [f"{1e6 * value:.0f}" for value in (single, stacked, eager)]
    return f"| {' | '.join([name, *cells, f'{eager / single:.2f}', f'{eager / stacked:.2f}'])} |"


def row(norm: str, times: dict[str, float]) -> str:
    gemm, stacked_gemm = times["gemms 1"], times[f"gemms {STACKED}"] / STACKED
    single, stacked = times[f"{norm} 1"], times[f"{norm} {STACKED}"] / STACKED
    cells = [f"{1e6 * value:.0f}" for value in (gemm, single, stacked)]
    loop = times.get(f"{norm} eager")
    if loop is None:
        cells += ["", "", "", ""]
    else:
        ratios = ((loop - gemm) / (single - gemm), (loop - gemm) / (stacked - stacked_gemm), loop / single)
        cells += [f"{1e6 * loop:.0f}", *(f"{ratio:.2f}" for ratio in ratios)]
    return f"| {' | '.join([norm, *cells, f'{stacked_gemm / stacked:.0%}'])} |"


if __name__ == "__main__":
    if "--one-process" in sys.argv:
        print(json.dumps(measure()))
    else:
        main()
