#!/usr/bin/env python3
"""Attention, forward and backward, in Hadal and in PyTorch, in turn, pair by pair: the ratio PyTorch time / Hadal time.

attention.py [--program build/bench/hadal_attention] [--pairs 3] [--seconds 1] [--threads 2] [--mode fp32,bf16] [SHAPE...]
Runs under the interpreter whose PyTorch is compared (scaled_dot_product_attention, as it is). A SHAPE is batch x heads x
length x width, such as 16x6x256x64, with +causal for a causal mask. Each pair starts both sides anew, the first of them
changing from pair to pair; a side's time is the median of the passes that fill the seconds, seven at least, after as
many uncounted ones as fill a third of them: before that, fresh memory slows both. Prints a line of JSON for each shape and mode.
"""
import argparse, json, pathlib, statistics, subprocess, sys, time

root = pathlib.Path(__file__).resolve().parent.parent
parser = argparse.ArgumentParser()
parser.add_argument("--program", default=root / "build/bench/hadal_attention")
parser.add_argument("--pairs", type=int, default=3)
parser.add_argument("--seconds", type=float, default=1)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--mode", type=lambda text: text.split(","), default=["fp32", "bf16"])
parser.add_argument("--torch", action="store_true", help="PyTorch's side alone, for the first shape and mode")
parser.add_argument("shapes", nargs="*", default=["16x6x256x64+causal", "8x6x197x64", "896x4x42x4", "1x12x4096x64+causal"])
args = parser.parse_args()


def time_torch(shape, mode):
    import torch
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    sizes, _, causal = shape.partition("+")
    random = lambda: torch.randn([int(n) for n in sizes.split("x")]).to(torch.bfloat16 if mode == "bf16" else torch.float32)
    q, k, v = (random().requires_grad_() for _ in range(3))
    dout = random()

    def passes(least, seconds):
        times = []
        while len(times) < least or sum(times) < 1e3 * seconds:
            q.grad = k.grad = v.grad = None
            start = time.perf_counter()
            torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal == "causal").backward(dout)
            times.append(1e3 * (time.perf_counter() - start))
        return times

    passes(2, args.seconds / 3)
    print(json.dumps({"median_ms": statistics.median(passes(7, args.seconds))}))


def run(side, shape, mode):
    options = ["--threads", str(args.threads), "--seconds", str(args.seconds)]
    if side == "torch":
        command = [sys.executable, __file__, "--torch", *options, "--mode", mode, "--", shape]
    else:
        sizes, _, causal = shape.partition("+")
        command = [str(args.program), *options, "--precision", mode, *(["--causal"] if causal else []), *sizes.split("x")]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(out.splitlines()[-1])["median_ms"]


if args.torch:
    time_torch(args.shapes[0], args.mode[0])
    sys.exit()
for shape in args.shapes:
    for mode in args.mode:
        times = {"hadal": [], "torch": []}
        for pair in range(args.pairs):
            for side in sorted(times, reverse=pair % 2 == 0):
                times[side].append(run(side, shape, mode))
        ratios = [t / h for t, h in zip(times["torch"], times["hadal"])]
        print(json.dumps({"shape": shape, "mode": mode, "torch_ms": round(statistics.median(times["torch"]), 2),
                          "hadal_ms": round(statistics.median(times["hadal"]), 2), "ratio": round(statistics.median(ratios), 2),
                          "ratios": [round(r, 2) for r in ratios]}), flush=True)
