#!/usr/bin/env python3
"""The PyTorch side of training PatchTST on ETTh1: the published architecture and setting, written plainly.

patchtst.py [--precision fp32] [--threads N] [--runs N] {patchtst-train | patchtst-sdpa-train}...
A step is a batch of 128 windows of 7 channels and 336 steps, horizon 96: forward, loss, backward, Adam; an epoch is 64 of them.
patchtst-train adds each layer's attention scores to the next one's, as the published code does; patchtst-sdpa-train leaves that
out and uses PyTorch's fused attention, as Hadal's recipe does. Driven by

    PYTHON bench/steps.py --peer bench/patchtst.py --mode fp32 patchtst-train
"""
import argparse, json, time

import torch
import torch.nn as nn
import torch.nn.functional as F

parser = argparse.ArgumentParser()
parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--runs", type=int, default=7)
parser.add_argument("work", nargs="+", choices=["patchtst-train", "patchtst-sdpa-train"])
args = parser.parse_args()
torch.set_num_threads(args.threads)
torch.manual_seed(0)
CHANNELS, LENGTH, HORIZON, PATCH, STRIDE, DIM, HEADS, MLP, DEPTH, DROPOUT = 7, 336, 96, 16, 8, 16, 4, 128, 3, 0.3


class Layer(nn.Module):
    def __init__(self, residual):
        super().__init__()
        self.residual = residual
        self.q, self.k, self.v, self.out = (nn.Linear(DIM, DIM) for _ in range(4))
        self.norm1, self.norm2 = nn.BatchNorm1d(DIM), nn.BatchNorm1d(DIM)
        self.ff = nn.Sequential(nn.Linear(DIM, MLP), nn.GELU(), nn.Dropout(DROPOUT), nn.Linear(MLP, DIM))
        self.drop_out, self.drop1, self.drop2 = (nn.Dropout(DROPOUT) for _ in range(3))

    def forward(self, x, before):
        q, k, v = (f(x).view(*x.shape[:2], HEADS, -1).transpose(1, 2) for f in (self.q, self.k, self.v))
        if self.residual:
            scores = q @ k.transpose(2, 3) * (DIM // HEADS) ** -0.5
            if before is not None:
                scores = scores + before
            mixed = scores.softmax(-1) @ v
        else:
            scores, mixed = None, F.scaled_dot_product_attention(q, k, v)
        x = x + self.drop1(self.drop_out(self.out(mixed.transpose(1, 2).flatten(2))))
        x = self.norm1(x.transpose(1, 2)).transpose(1, 2)
        x = x + self.drop2(self.ff(x))
        return self.norm2(x.transpose(1, 2)).transpose(1, 2), scores


class PatchTST(nn.Module):
    def __init__(self, residual):
        super().__init__()
        patches = (LENGTH - PATCH) // STRIDE + 2
        self.embed, self.drop = nn.Linear(PATCH, DIM), nn.Dropout(DROPOUT)
        self.position = nn.Parameter(torch.empty(patches, DIM).uniform_(-0.02, 0.02))
        self.layers = nn.ModuleList(Layer(residual) for _ in range(DEPTH))
        self.head = nn.Linear(patches * DIM, HORIZON)

    def forward(self, x):  # (B, C, L)
        mean = x.mean(2, keepdim=True).detach()
        scale = (x.var(2, keepdim=True, unbiased=False) + 1e-5).sqrt().detach()
        z = F.pad((x - mean) / scale, (0, STRIDE), mode="replicate").unfold(2, PATCH, STRIDE)
        z = self.drop(self.embed(z.flatten(0, 1)) + self.position)
        scores = None
        for layer in self.layers:
            z, scores = layer(z, scores)
        return self.head(z.flatten(1)).view(*x.shape[:2], HORIZON) * scale + mean


for work in args.work:
    model = PatchTST(residual=work == "patchtst-train")
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    x, y = torch.randn(128, CHANNELS, LENGTH), torch.randn(128, CHANNELS, HORIZON)
    times = []
    for _ in range(2 + args.runs):
        start = time.perf_counter()
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.precision == "bf16"):
            loss = F.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        times.append((time.perf_counter() - start) * 1e3)
    times = sorted(times[2:])
    print(json.dumps({"work": work, "by": "torch", "torch": torch.__version__, "mode": args.precision,
                      "median_ms": round(times[len(times) // 2], 3), "min_ms": round(times[0], 3)}), flush=True)
