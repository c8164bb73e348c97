#!/usr/bin/env python3
"""The PyTorch side of bench/steps.py: torchvision's models on random pictures, written plainly.

pictures.py [--precision fp32] [--channels-last] [--threads N] [--runs N] WORKLOAD
resnet18-train: 16 pictures of 224x224, SGD with momentum 0.9. vit-train: ViT-S/16, 8 pictures, AdamW. Both clip the norm at 1.
vit-infer: ViT-S/16, one picture.
"""
import torch
import torch.nn.functional as F
import torchvision

import peer


def resnet():
    model = torchvision.models.resnet18()
    return model, torch.optim.SGD(model.parameters(), 1e-3, momentum=0.9)


def vit():
    model = torchvision.models.VisionTransformer(224, 16, num_layers=12, num_heads=6, hidden_dim=384, mlp_dim=1536)
    return model, torch.optim.AdamW(model.parameters(), 1e-3)


def training(make, batch):
    def begin(options):
        model, optimizer = make()
        net = options.ready(model)
        pixels = torch.randn(batch, 3, 224, 224).to(memory_format=options.layout)
        classes = torch.randint(0, 1000, (batch,))

        def step():
            optimizer.zero_grad()
            with options.autocast():
                out = net(pixels)
            F.cross_entropy(out.float(), classes).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1)
            optimizer.step()
        return step
    return begin


def inference(options):
    net = options.ready(vit()[0].eval())
    pixels = torch.randn(1, 3, 224, 224).to(memory_format=options.layout)

    @torch.inference_mode()
    def step():
        with options.autocast():
            net(pixels)
    return step


peer.run({"resnet18-train": training(resnet, 16), "vit-train": training(vit, 8), "vit-infer": inference})
