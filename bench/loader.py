#!/usr/bin/env python3
"""Pictures a second through the training loader: Hadal beside torchvision's DataLoader, on the same files in the same run.

    python bench/loader.py [--pairs 5] [--images 2000] [--program FILE] [FOLDER...]

Each side decodes JPEGs and gives batches of 64: random resized crop to 224, flip, normalise; two workers (processes there,
threads here). Hadal decodes only the crop's part of a JPEG. torchvision runs twice: through Pillow, its default, and
through decode_jpeg and transforms.v2 on tensors. Sides take turns; printed are pictures a second for each round and the
median of the ratio to torchvision's best way.
Builds build/bench/hadal_bench first. Runs in any Python with PyTorch and torchvision.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

import torch
import torchvision
from PIL import Image
from torchvision.transforms import v2

ROOT = pathlib.Path(__file__).resolve().parent.parent
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


class Pillow(torch.utils.data.Dataset):
    """torchvision's default: ImageFolder's loader and the transforms of its training reference."""

    def __init__(self, paths):
        self.paths = paths
        t = torchvision.transforms
        self.transform = t.Compose([t.RandomResizedCrop(224), t.RandomHorizontalFlip(), t.ToTensor(), t.Normalize(MEAN, STD)])

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        with open(self.paths[index], "rb") as file:
            return self.transform(Image.open(file).convert("RGB"))


class Tensors(Pillow):
    """The way that torchvision's documentation calls fastest: uint8 tensors until the end, decoded by its own decode_jpeg
    where that extension loads, else by Pillow."""

    def __init__(self, paths):
        super().__init__(paths)
        self.transform = v2.Compose([v2.RandomResizedCrop(224, antialias=True), v2.RandomHorizontalFlip(),
                                     v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)])
        try:
            torchvision.io.read_file(paths[0])
            self.own_decoder = True
        except RuntimeError:
            self.own_decoder = False

    def __getitem__(self, index):
        if not self.own_decoder:
            with open(self.paths[index], "rb") as file:
                return self.transform(v2.functional.pil_to_tensor(Image.open(file).convert("RGB")))
        data = torchvision.io.read_file(self.paths[index])
        return self.transform(torchvision.io.decode_jpeg(data, mode=torchvision.io.ImageReadMode.RGB))


def one_thread(_):
    torch.set_num_threads(1)


def loader(dataset):
    return torch.utils.data.DataLoader(dataset, batch_size=64, shuffle=True, num_workers=2, persistent_workers=True,
                                       prefetch_factor=2, worker_init_fn=one_thread)


def epoch(batches):
    """Pictures a second, from the first batch asked for to the last one given."""
    begin, count = time.perf_counter(), 0
    for batch in batches:
        count += len(batch)
    return count / (time.perf_counter() - begin)


def hadal(paths, program):
    command = [program, "--benchmark_filter=^Loader/", "--benchmark_format=json"]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as names:
        names.write("\n".join(paths) + "\n")
        names.flush()
        environment = dict(os.environ, HADAL_BENCH_PICTURES=names.name)
        out = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return next(result["items_per_second"] for result in json.loads(out.stdout)["benchmarks"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", help="where JPEGs are; bccd/images and pennfudan/images below HADAL_DATA when not given")
    parser.add_argument("--program", help="a hadal_bench that is built already")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--images", type=int, default=2000, help="pictures an epoch; fewer files are repeated")
    args = parser.parse_args()
    data = pathlib.Path(os.environ.get("HADAL_DATA", ROOT.parent / "shared/data"))
    folders = [pathlib.Path(f) for f in args.folders] or [data / "bccd/images", data / "pennfudan/images"]
    files = sorted(path for folder in folders for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    if not files:
        raise SystemExit(f"no JPEGs in {', '.join(map(str, folders))}")
    paths = [str(files[i % len(files)]) for i in range(args.images)]
    program = args.program or str(ROOT / "build/bench/hadal_bench")
    if not args.program:
        subprocess.run(["cmake", "--build", str(ROOT / "build"), "--target", "hadal_bench", "--", "--quiet"], check=True)

    tensors = Tensors(paths)
    print("torchvision's tensors are decoded by", "decode_jpeg" if tensors.own_decoder else "Pillow: decode_jpeg does not load")
    sides = {"torchvision, Pillow": loader(Pillow(paths)), "torchvision, tensors": loader(tensors)}
    for batches in sides.values():
        epoch(batches)  # starts the workers
    print(f"{len(files)} files, {len(paths)} pictures a round, pictures a second:")
    rounds = []
    for _ in range(args.pairs):
        rates = {name: epoch(batches) for name, batches in sides.items()}
        rates["Hadal"] = hadal(paths, program)
        rounds.append(rates)
        print("  " + "   ".join(f"{name} {rate:.0f}" for name, rate in rates.items()), flush=True)
    ratios = {name: [r["Hadal"] / r[name] for r in rounds] for name in sides}
    for name, values in ratios.items():
        print(f"Hadal / {name}: median {statistics.median(values):.2f} (from {min(values):.2f} to {max(values):.2f})")
    best = [r["Hadal"] / max(r[name] for name in sides) for r in rounds]
    print(f"Hadal / torchvision's best: median {statistics.median(best):.2f}")


if __name__ == "__main__":
    main()
