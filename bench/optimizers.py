#!/usr/bin/env python3
"""Steps of AdamW over GPT-2's and ResNet-50's parameter lists, Hadal beside PyTorch's fused CPU AdamW; then every method's
share of memory's speed, and AdamW beside torch::optim::AdamW.

    python bench/optimizers.py [--rounds 15] [--program FILE] [--only pairs|share|libtorch]

step: one step. clip: clip_grad_norm_ to 1, a step, zero_grad(set_to_none=False), which Hadal does in two passes. The two sides
take turns, two steps each of which the second counts, so that both meet the same neighbours and neither the other's idle
threads; a share of memory is taken from a step and an `a += b` side by side. Printed are medians of milliseconds and of the
ratios, with the quarters of the ratios that lie outside cut off. Each bound (BOUNDS) has a line that says pass or FAIL, and
the exit code is 1 when one fails. Runs in any Python with PyTorch and torchvision; builds build/bench/hadal_optimizers first
unless --program names it.
"""
import argparse
import math
import pathlib
import statistics
import subprocess
import sys
import time

BOUNDS = {"share": 80,    # per cent of memory's speed, for every method that is one pass or two over memory
          "libtorch": 8,  # times faster than torch::optim::AdamW
          "clip": 1.5}    # times faster than PyTorch's clipping, fused step and zeroing
UNFUSED = ("adafactor", "muon")  # matrix products and whole tensors: memory is not what they wait for
ROOT = pathlib.Path(__file__).resolve().parent.parent


class Program:
    """Hadal's side, a process that answers line by line."""

    def __init__(self, file, model, threads, *options):
        command = [str(file), "--threads", str(threads), *options, model]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line):
        print(line, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline().split()
        if not answer:
            sys.exit(f"the program ended at: {line}")
        return answer

    def milliseconds(self, line):
        return float(self.ask(line)[0])

    def methods(self):
        print("list", file=self.process.stdin, flush=True)
        return [(name, float(bytes_)) for name, bytes_ in (line.split() for line in iter(self.process.stdout.readline, "\n"))]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def shapes_of(model):
    import torch

    if model == "gpt2":
        width = 768
        block = [(width,), (width,), (width, 3 * width), (3 * width,), (width, width), (width,), (width,), (width,),
                 (width, 4 * width), (4 * width,), (4 * width, width), (width,)]
        return [(50257, width), (1024, width), *block * 12, (width,), (width,)]
    import torchvision
    with torch.device("meta"):
        return [p.shape for p in torchvision.models.resnet50().parameters()]


def pytorch_side(shapes):
    """A step, and clip + step + zero, by PyTorch."""
    import torch

    params = [torch.nn.Parameter(torch.randn(s) * 0.02) for s in shapes]
    for p in params:
        p.grad = torch.randn_like(p) * 0.01
    optimizer = torch.optim.AdamW(params, lr=1e-3, fused=True)

    def clipped():
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)

    return {"step": optimizer.step, "clip": clipped}


def milliseconds(work):
    begin = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - begin)


def side_by_side(one, other, rounds):
    """Two works take turns: the median time of each, and of other / one, with that ratio's quartiles."""
    for work in (one, other):
        work()
    pairs = []
    for i in range(rounds):
        times = {}
        for work in (one, other) if i % 2 else (other, one):
            work()  # while the other side's idle threads still spin, and its own wake up
            times[work] = work()
        pairs.append((times[one], times[other]))
    ratios = [b / a for a, b in pairs]
    quartiles = statistics.quantiles(ratios, n=4)
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs), quartiles[1], quartiles[0], quartiles[2]


def judge(what, value, bound):
    """Says whether `value` reaches its bound."""
    good = value >= bound
    print(f"{'pass' if good else 'FAIL'} {what}: {value:.3g} of {bound} asked", flush=True)
    return good


def beside_pytorch(model, program, rounds):
    peer = pytorch_side(shapes_of(model))
    good = True
    for name, work in peer.items():
        mine, other, ratio, low, high = side_by_side(lambda: program.milliseconds(f"{name} adamw"), lambda: milliseconds(work),
                                                     rounds)
        print(f"{model} {name}: PyTorch {other:.1f} ms, Hadal {mine:.1f} ms, ratio {ratio:.2f} ({low:.2f} to {high:.2f})", flush=True)
        if name == "clip":
            good &= judge(f"{model}: clip, step and zero, PyTorch / Hadal", ratio, BOUNDS["clip"])
    return good


def beside_memory(program, rounds):
    shares = {}
    moved = float(program.ask("memory")[1])
    parameters = sum(math.prod(s) for s in shapes_of("gpt2"))
    for name, bytes_ in program.methods():
        mine, memory, ratio, low, high = side_by_side(lambda: program.milliseconds(f"step {name}"),
                                                      lambda: program.milliseconds("memory"), rounds)
        per_cent = [100 * r * bytes_ * parameters / moved for r in (ratio, low, high)]
        print(f"{name}: {mine:.1f} ms, {bytes_ * parameters / mine / 1e6:.1f} GB/s, {per_cent[0]:.0f} % of memory's speed "
              f"({per_cent[1]:.0f} to {per_cent[2]:.0f}; a += b: {moved / memory / 1e6:.1f} GB/s)", flush=True)
        if name not in UNFUSED:
            shares[name] = per_cent[0]
    slowest = min(shares, key=shares.get)
    return judge(f"{slowest}, the slowest: % of memory's speed", shares[slowest], BOUNDS["share"])


def beside_libtorch(program, plain, rounds):
    """torch::optim::AdamW allocates as it goes: in a program that has not changed how."""
    mine, other, ratio, low, high = side_by_side(lambda: program.milliseconds("step adamw"),
                                                 lambda: plain.milliseconds("libtorch"), rounds)
    print(f"torch::optim::AdamW {other:.1f} ms, Hadal {mine:.1f} ms, ratio {ratio:.2f} ({low:.2f} to {high:.2f})", flush=True)
    return judge("torch::optim::AdamW / Hadal's", ratio, BOUNDS["libtorch"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", help="a hadal_optimizers that is built already")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", choices=["pairs", "share", "libtorch"])
    args = parser.parse_args()
    file = args.program or str(ROOT / "build/bench/hadal_optimizers")
    if not args.program:
        subprocess.run(["cmake", "--build", str(ROOT / "build"), "--target", "hadal_optimizers", "--", "--quiet"], check=True)

    import torch
    torch.set_num_threads(args.threads)
    good = True
    for model in ("gpt2", "resnet50"):
        if model != "gpt2" and args.only not in (None, "pairs"):
            continue
        program = Program(file, model, args.threads)
        if args.only in (None, "pairs"):
            good &= beside_pytorch(model, program, args.rounds)
        if model == "gpt2" and args.only in (None, "share"):
            good &= beside_memory(program, args.rounds)
        if model == "gpt2" and args.only in (None, "libtorch"):
            plain = Program(file, model, args.threads, "--plain-allocator")
            good &= beside_libtorch(program, plain, args.rounds)
            plain.close()
        program.close()
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
