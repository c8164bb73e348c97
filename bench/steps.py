#!/usr/bin/env python3
"""Hadal and PyTorch at the same work, in turn, pair by pair: medians and the ratio PyTorch time / Hadal time.

steps.py [--program build/bench/hadal_steps] [--peer bench/pictures.py] [--pairs 3] [--runs 5] [--mode fp32,bf16] [WORKLOAD...]
Runs under the interpreter whose PyTorch is compared. A mode is fp32 or bf16, with +cl for channels-last. Each pair starts
both programs anew, the first of them changing from pair to pair; a side's time is the median of its run, and the last
line of each workload gives the median over the pairs.
"""
import argparse, json, pathlib, statistics, subprocess, sys

root = pathlib.Path(__file__).resolve().parent.parent
parser = argparse.ArgumentParser()
parser.add_argument("--program", default=root / "build/bench/hadal_steps")
parser.add_argument("--peer", default=root / "bench/pictures.py")
parser.add_argument("--pairs", type=int, default=3)
parser.add_argument("--runs", type=int, default=5)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--mode", type=lambda text: text.split(","), default=["fp32", "bf16"])
parser.add_argument("work", nargs="*")
args = parser.parse_args()


def run(command, mode, work):
    precision, _, layout = mode.partition("+")
    options = ["--precision", precision, "--threads", str(args.threads), "--runs", str(args.runs)]
    options += ["--channels-last"] if layout == "cl" else []
    out = subprocess.run([*command, *options, work], check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(out.splitlines()[-1])["median_ms"]


sides = {"torch": [sys.executable, str(args.peer)], "hadal": [str(args.program)]}
for work in args.work or ["resnet18-train", "vit-train", "vit-infer"]:
    for mode in args.mode:
        times = {side: [] for side in sides}
        for pair in range(args.pairs):
            for side in sorted(sides, reverse=pair % 2 == 0):
                times[side].append(run(sides[side], mode, work))
        ratios = [t / h for t, h in zip(times["torch"], times["hadal"])]
        print(json.dumps({"work": work, "mode": mode, "torch_ms": statistics.median(times["torch"]),
                          "hadal_ms": statistics.median(times["hadal"]), "ratio": round(statistics.median(ratios), 2),
                          "ratios": [round(r, 2) for r in ratios]}), flush=True)
