#!/usr/bin/env python3
"""A step of AdamW over GPT-2's and ResNet-50's parameter lists, Hadal beside PyTorch's fused CPU AdamW, in turn; then every
method's share of the memory speed that the same run shows.

    python bench/optimizers.py [--pairs 5] [--program FILE]

step: one step. clip: clip_grad_norm_ to 1, a step, zero_grad(set_to_none=False), which Hadal does in two passes. Each pair runs
both sides anew; printed are milliseconds and the median ratio PyTorch / Hadal: above 1, Hadal is faster. Each bound (BOUNDS)
has a line that says pass or FAIL, and the exit code is 1 when one fails. Runs in any Python with PyTorch and torchvision;
builds build/bench/hadal_bench first unless --program names it.
"""
import argparse
import json
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


def torch_side(model, threads, runs):
    """Median milliseconds of a step and of clip + step + zero, in a process of its own."""
    import torch

    torch.set_num_threads(threads)
    if model == "gpt2":
        width = 768
        block = [(width,), (width,), (width, 3 * width), (3 * width,), (width, width), (width,), (width,), (width,),
                 (width, 4 * width), (4 * width,), (4 * width, width), (width,)]
        shapes = [(50257, width), (1024, width), *block * 12, (width,), (width,)]
    else:
        import torchvision
        with torch.device("meta"):
            shapes = [p.shape for p in torchvision.models.resnet50().parameters()]
    params = [torch.nn.Parameter(torch.randn(s) * 0.02) for s in shapes]
    for p in params:
        p.grad = torch.randn_like(p) * 0.01
    optimizer = torch.optim.AdamW(params, lr=1e-3, fused=True)

    def clipped():
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)

    out = {}
    for name, work in (("step", optimizer.step), ("clip", clipped)):
        times = []
        for _ in range(runs + 2):
            begin = time.perf_counter()
            work()
            times.append(1e3 * (time.perf_counter() - begin))
        out[name] = statistics.median(times[2:])
    print(json.dumps(out))


def hadal(program, pattern):
    """Milliseconds and bytes a second by benchmark."""
    command = [program, f"--benchmark_filter={pattern}", "--benchmark_format=json"]
    out = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["benchmarks"]
    return {b["name"].split("/min_time")[0]: (b["real_time"], b["bytes_per_second"]) for b in out}


def judge(what, value, bound):
    """Says whether `value` reaches its bound."""
    good = value >= bound
    print(f"{'pass' if good else 'FAIL'} {what}: {value:.3g} of {bound} asked", flush=True)
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", help="a hadal_bench that is built already")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", choices=["pairs", "share"])
    parser.add_argument("--torch", metavar="MODEL", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.torch:
        return torch_side(args.torch, args.threads, args.runs)
    program = args.program or str(ROOT / "build/bench/hadal_bench")
    if not args.program:
        subprocess.run(["cmake", "--build", str(ROOT / "build"), "--target", "hadal_bench", "--", "--quiet"], check=True)

    good = True
    if args.only != "share":
        for model in ("gpt2", "resnet50"):
            rounds = []
            for _ in range(args.pairs):
                command = [sys.executable, __file__, "--torch", model, "--threads", str(args.threads), "--runs", str(args.runs)]
                peer = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                mine = hadal(program, f"^Optimizer/{model}/adamw(_clip_zero)?/min")
                rounds.append({"step": (peer["step"], mine[f"Optimizer/{model}/adamw"][0]),
                               "clip": (peer["clip"], mine[f"Optimizer/{model}/adamw_clip_zero"][0])})
            for work in ("step", "clip"):
                ratios = [p / m for p, m in (r[work] for r in rounds)]
                print(f"{model} {work}: PyTorch {statistics.median(r[work][0] for r in rounds):.1f} ms, Hadal "
                      f"{statistics.median(r[work][1] for r in rounds):.1f} ms, ratio {statistics.median(ratios):.2f} "
                      f"(from {min(ratios):.2f} to {max(ratios):.2f})", flush=True)
                if work == "clip":
                    good &= judge(f"{model}: clip, step and zero, PyTorch / Hadal", statistics.median(ratios), BOUNDS["clip"])
    if args.only != "pairs":
        all_methods = hadal(program, "^(Memory|Optimizer/gpt2/)")
        memory = all_methods.pop("Memory")[1]
        print(f"memory (a += b): {memory / 1e9:.1f} GB/s")
        shares = {}
        for name, (ms, rate) in all_methods.items():
            print(f"{name}: {ms:.1f} ms, {rate / 1e9:.1f} GB/s, {100 * rate / memory:.0f} % of memory's speed")
            if name.split("/")[-1] not in ("libtorch_adamw", "adamw_clip_zero", *UNFUSED):
                shares[name] = 100 * rate / memory
        slowest = min(shares, key=shares.get)
        good &= judge(f"{slowest}, the slowest: % of memory's speed", shares[slowest], BOUNDS["share"])
        good &= judge("torch::optim::AdamW / Hadal's", all_methods["Optimizer/gpt2/libtorch_adamw"][0] /
                      all_methods["Optimizer/gpt2/adamw"][0], BOUNDS["libtorch"])
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
