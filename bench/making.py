#!/usr/bin/env python3
"""The PyTorch side of bench/steps.py for nets that make pictures: --peer bench/making.py.

making.py [--precision fp32] [--channels-last] [--threads N] [--runs N] WORKLOAD
gan-train: the plain pair of fully connected nets, 64 pictures, a step of each, Adam.
unet-train: the U-Net of the speed table (tests/golden/areas/denoisers.py has it), 16 pictures of 32x32, AdamW.
unet-sample: diffusers' UNet2DModel at the settings of Hadal's preset, 16 pictures of 28x28, 10 steps of a flow by Euler.
"""
import pathlib, sys

import torch
import torch.nn.functional as F
from torch import nn

import peer

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests/golden/areas"))


def gan(options):
    made = options.ready(nn.Sequential(
        nn.Linear(100, 256), nn.LeakyReLU(0.2), nn.BatchNorm1d(256), nn.Linear(256, 512), nn.LeakyReLU(0.2),
        nn.BatchNorm1d(512), nn.Linear(512, 784), nn.Tanh()))
    judge = options.ready(nn.Sequential(
        nn.Linear(784, 512), nn.LeakyReLU(0.2), nn.Linear(512, 256), nn.LeakyReLU(0.2), nn.Linear(256, 1), nn.Sigmoid()))
    of_made, of_judge = (torch.optim.Adam(net.parameters(), 2e-4) for net in (made, judge))
    real, yes, no = torch.randn(64, 784), torch.ones(64, 1), torch.zeros(64, 1)

    def step():
        with options.autocast():
            fake = made(torch.randn(64, 100))
            right, wrong = judge(real), judge(fake.detach())
        of_judge.zero_grad()
        (F.binary_cross_entropy(right.float(), yes) + F.binary_cross_entropy(wrong.float(), no)).backward()
        of_judge.step()
        of_made.zero_grad()
        with options.autocast():
            fooled = judge(fake)
        F.binary_cross_entropy(fooled.float(), yes).backward()
        of_made.step()
    return step


def training(options):
    from denoisers import PlainUnet
    model = PlainUnet(64, 256)
    net, optimizer = options.ready(model), torch.optim.AdamW(model.parameters(), 1e-3)
    x, time_of, wanted = (torch.randn(16, 1, 32, 32).to(memory_format=options.layout), torch.randn(16, 256),
                          torch.randn(16, 1, 32, 32))

    def step():
        optimizer.zero_grad()
        with options.autocast():
            out = net(x, time_of)
        F.mse_loss(out.float(), wanted).backward()
        optimizer.step()
    return step


def sampling(options):
    from diffusers import FlowMatchEulerDiscreteScheduler, UNet2DModel
    model = options.ready(UNet2DModel(
        in_channels=1, out_channels=1, block_out_channels=(32, 64, 64), layers_per_block=1, norm_num_groups=8, attention_head_dim=32,
        num_class_embeds=11, down_block_types=["DownBlock2D"] * 3, up_block_types=["UpBlock2D"] * 3).eval())
    scheduler, labels = FlowMatchEulerDiscreteScheduler(), torch.arange(16) % 10

    @torch.inference_mode()
    def step():
        scheduler.set_timesteps(sigmas=[1 - i / 10 for i in range(10)])
        x = torch.randn(16, 1, 28, 28).to(memory_format=options.layout)
        for t in scheduler.timesteps:
            with options.autocast():
                seen = model(x, t, labels).sample
            x = scheduler.step(seen.float(), t, x).prev_sample
    return step


peer.run({"gan-train": gan, "unet-train": training, "unet-sample": sampling})
