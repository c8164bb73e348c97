#!/usr/bin/env python3
"""Makes the golden files: the reference's outputs and gradients for weights and inputs that the tests load.

    python tests/golden/make.py [AREA...]

An area is a module of areas/ with a function make(save): save(name, tensors, metadata) writes NAME.safetensors here.
Runs in any Python that has PyTorch, torchvision, timm, transformers and safetensors; the same versions give the same files.
"""
import importlib.util
import pathlib
import sys

import torch
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent


def save(name, tensors, metadata=None):
    tensors = {key: value.detach().clone().contiguous() for key, value in tensors.items()}
    path = HERE / f"{name}.safetensors"
    save_file(tensors, path, metadata={key: str(value) for key, value in (metadata or {}).items()})
    print(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB")


def main():
    areas = {path.stem: path for path in sorted((HERE / "areas").glob("*.py"))}
    for name in sys.argv[1:] or areas:
        if name not in areas:
            sys.exit(f"unknown area {name}; known: {', '.join(areas)}")
        spec = importlib.util.spec_from_file_location(name, areas[name])
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        torch.manual_seed(0)
        module.make(save)


if __name__ == "__main__":
    main()
