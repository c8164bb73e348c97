"""Adaptive gradient clipping as timm has it, in double precision."""
import torch
from timm.utils.agc import adaptive_clip_grad


def make(save):
    shapes = {"matrix": (4, 6), "kernel": (3, 2, 3, 3), "vector": (5,), "zeros": (3, 2)}
    tensors, params, square = {}, [], 0
    for name, shape in shapes.items():
        value = torch.randn(shape, dtype=torch.float64) if name != "zeros" else torch.zeros(shape, dtype=torch.float64)
        gradient = torch.randn(shape, dtype=torch.float64) * torch.logspace(-3, 0, shape[0], dtype=torch.float64).view(-1, *[1] * (len(shape) - 1))
        tensors[name], tensors[name + ".grad"] = value, gradient
        param = torch.nn.Parameter(value.clone())
        param.grad = gradient.clone()
        square += gradient.square().sum()
        params.append((name, param))
    adaptive_clip_grad([p for _, p in params], clip_factor=0.1)
    tensors |= {name + ".clipped": p.grad for name, p in params}
    tensors["norm"] = square.sqrt()
    save("clip", tensors)
