#!/usr/bin/env python3
"""The PyTorch side of bench/steps.py: torchvision's models on random pictures, written plainly.

pictures.py [--precision fp32] [--channels-last] [--threads N] [--runs N] WORKLOAD
resnet18-train: 16 pictures of 224x224, SGD with momentum 0.9. vit-train: ViT-S/16, 8 pictures, AdamW. Both clip the norm at 1.
vit-infer: ViT-S/16, one picture.
"""
import argparse, json, statistics, time

import torch
import torch.nn.functional as F
import torchvision

parser = argparse.ArgumentParser()
parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
parser.add_argument("--channels-last", action="store_true")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--runs", type=int, default=7)
parser.add_argument("work", choices=["resnet18-train", "vit-train", "vit-infer"])
args = parser.parse_args()
torch.set_num_threads(args.threads)
torch.manual_seed(0)
layout = torch.channels_last if args.channels_last else torch.contiguous_format

if args.work == "resnet18-train":
    batch, model = 16, torchvision.models.resnet18()
    optimizer = torch.optim.SGD(model.parameters(), 1e-3, momentum=0.9)
else:
    batch = 8 if args.work == "vit-train" else 1
    model = torchvision.models.VisionTransformer(224, 16, num_layers=12, num_heads=6, hidden_dim=384, mlp_dim=1536)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
model = model.to(memory_format=layout)
pixels = torch.randn(batch, 3, 224, 224).to(memory_format=layout)
classes = torch.randint(0, 1000, (batch,))


def logits():
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.precision == "bf16"):
        return model(pixels)


def train():
    optimizer.zero_grad()
    F.cross_entropy(logits().float(), classes).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1)
    optimizer.step()


@torch.inference_mode()
def infer():
    logits()


step = train if args.work.endswith("train") else infer
model.train(step is train)
times = []
for _ in range(2 + args.runs):
    start = time.perf_counter()
    step()
    times.append(1e3 * (time.perf_counter() - start))
print(json.dumps({"work": args.work, "median_ms": round(statistics.median(times[2:]), 3)}))
