#!/usr/bin/env python3
"""The PyTorch side of bench/steps.py for the nets of diffusion: --peer bench/unets.py.

unets.py [--precision fp32] [--channels-last] [--threads N] [--runs N] WORKLOAD
unet-train: the U-Net of the speed table (tests/golden/areas/denoisers.py has it), 16 pictures of 32x32, AdamW.
unet-sample: diffusers' UNet2DModel at the settings of Hadal's preset, 16 pictures of 28x28, 10 steps of a flow by Euler.
"""
import argparse, json, pathlib, statistics, sys, time

import torch
import torch.nn.functional as F
from diffusers import FlowMatchEulerDiscreteScheduler, UNet2DModel

parser = argparse.ArgumentParser()
parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
parser.add_argument("--channels-last", action="store_true")
parser.add_argument("--compile", action="store_true")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--runs", type=int, default=7)
parser.add_argument("work", choices=["unet-train", "unet-sample"])
args = parser.parse_args()
torch.set_num_threads(args.threads)
torch.manual_seed(0)
layout = torch.channels_last if args.channels_last else torch.contiguous_format


def autocast():
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.precision == "bf16")


def ready(model):
    model = model.to(memory_format=layout)
    return torch.compile(model) if args.compile else model


def training():
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests/golden/areas"))
    from denoisers import PlainUnet
    model = PlainUnet(64, 256)
    net, optimizer = ready(model), torch.optim.AdamW(model.parameters(), 1e-3)
    x, time_of, wanted = (torch.randn(16, 1, 32, 32).to(memory_format=layout), torch.randn(16, 256), torch.randn(16, 1, 32, 32))

    def step():
        optimizer.zero_grad()
        with autocast():
            out = net(x, time_of)
        F.mse_loss(out.float(), wanted).backward()
        optimizer.step()
    return step


def sampling():
    model = ready(UNet2DModel(
        in_channels=1, out_channels=1, block_out_channels=(32, 64, 64), layers_per_block=1, norm_num_groups=8, attention_head_dim=32,
        num_class_embeds=11, down_block_types=["DownBlock2D"] * 3, up_block_types=["UpBlock2D"] * 3).eval())
    scheduler, labels = FlowMatchEulerDiscreteScheduler(), torch.arange(16) % 10

    @torch.inference_mode()
    def step():
        scheduler.set_timesteps(sigmas=[1 - i / 10 for i in range(10)])
        x = torch.randn(16, 1, 28, 28).to(memory_format=layout)
        for t in scheduler.timesteps:
            with autocast():
                seen = model(x, t, labels).sample
            x = scheduler.step(seen.float(), t, x).prev_sample
    return step


step = training() if args.work == "unet-train" else sampling()
times = []
for _ in range(2 + args.runs):
    start = time.perf_counter()
    step()
    times.append(1e3 * (time.perf_counter() - start))
print(json.dumps({"work": args.work, "median_ms": round(statistics.median(times[2:]), 3)}))
