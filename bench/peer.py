"""What PyTorch's sides of bench/steps.py share: their options, and how a step is timed."""
import argparse, json, statistics, time

import torch


class Peer:
    """The options of a run: `layout`, `autocast()`, `ready(model)`, and `compile` for those who want to see."""

    def __init__(self, args):
        self.compile, self.precision = args.compile, args.precision
        self.layout = torch.channels_last if args.channels_last else torch.contiguous_format

    def autocast(self):
        return torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.precision == "bf16")

    def ready(self, model):
        model = model.to(memory_format=self.layout)
        return torch.compile(model) if self.compile else model


def run(workloads):
    """`workloads`: by name, a function of a Peer that gives a step to call. Prints the median over --runs, after two."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("work", choices=list(workloads))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    step, times = workloads[args.work](Peer(args)), []
    for _ in range(2 + args.runs):
        start = time.perf_counter()
        step()
        times.append(1e3 * (time.perf_counter() - start))
    print(json.dumps({"work": args.work, "median_ms": round(statistics.median(times[2:]), 3)}))
