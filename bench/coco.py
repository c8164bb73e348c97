#!/usr/bin/env python3
"""COCO's scores beside pycocotools and hotcoco: 5,000 pictures, 100 results each, 80 classes, drawn here.

bench/coco.py [--program build/bench/hadal_coco] [--kind bbox] [--pictures N] [--runs N] [--no-pycocotools] [--folder DIR]
Reads both files and scores them; the best of RUNS runs each, in turn, so that a busy moment does not hit one alone. Run it with a
Python that has pycocotools and hotcoco; whichever is missing is left out. Prints seconds and how many times as long as Hadal.
"""
import argparse, contextlib, io, json, pathlib, subprocess, tempfile, time

import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("--program", default="build/bench/hadal_coco")
parser.add_argument("--kind", choices=["bbox", "segm"], default="bbox")
parser.add_argument("--pictures", type=int, default=5000)
parser.add_argument("--runs", type=int, default=5)
parser.add_argument("--no-pycocotools", action="store_true")
parser.add_argument("--folder", help="keeps the files there, and takes them from there")
args = parser.parse_args()


def draw(truth_file, results_file, rng):
    """About 7 objects a picture, of classes as uneven as COCO's; results are moved objects and strays."""
    share = 1 / np.arange(1, 81) ** 0.8
    share /= share.sum()
    images, truth, found = [], [], []
    for i in range(args.pictures):
        images.append({"id": i + 1, "width": 640, "height": 480, "file_name": f"{i + 1:012}.jpg"})
        here = []
        for _ in range(rng.poisson(7.3)):
            w, h = np.exp(rng.normal(4.2, 1, 2)).clip(4, 400)
            box = [round(float(v), 2) for v in (rng.random() * (640 - w), rng.random() * max(480 - h, 1), w, h)]
            here.append((box, int(rng.choice(80, p=share)) + 1))
            truth.append({"id": len(truth) + 1, "image_id": i + 1, "category_id": here[-1][1], "bbox": box,
                          "area": round(box[2] * box[3] * .6, 2), "iscrowd": int(rng.random() < .01),
                          "segmentation": [corners(box)]})
        for _ in range(100):
            if here and rng.random() < .5:
                box, category = here[int(rng.integers(len(here)))]
                box = (np.array(box) + rng.normal(size=4) * rng.choice([1, 4, 15])).clip(1, None).tolist()
                category = category if rng.random() < .8 else int(rng.integers(80)) + 1
            else:
                w, h = np.exp(rng.normal(4.2, 1, 2)).clip(4, 400)
                box, category = [rng.random() * 500, rng.random() * 400, w, h], int(rng.choice(80, p=share)) + 1
            found.append({"image_id": i + 1, "category_id": category, "bbox": [round(float(v), 3) for v in box],
                          "score": round(float(rng.random() ** 3), 5)})
            if args.kind == "segm":
                found[-1]["segmentation"] = runs_of(found[-1].pop("bbox"))
    categories = [{"id": k + 1, "name": f"class {k + 1}"} for k in range(80)]
    truth_file.write_text(json.dumps({"images": images, "annotations": truth, "categories": categories}))
    results_file.write_text(json.dumps(found))


def corners(box):
    """Twelve corners of an ellipse."""
    a = np.arange(12) * (np.pi / 6)
    x, y, w, h = box
    return np.round(np.stack([x + w / 2 * (1 + np.cos(a)), y + h / 2 * (1 + np.sin(a))], 1), 2).reshape(-1).tolist()


def runs_of(box):
    from pycocotools import mask
    rle = mask.frPyObjects([corners(box)], 480, 640)[0]
    return {"size": [480, 640], "counts": rle["counts"].decode()}


def hadal(truth, results):
    out = subprocess.run([args.program, truth, results, args.kind, "1"], check=True, capture_output=True, text=True)
    return json.loads(out.stdout)


def python(COCO, COCOeval):
    def work(truth, results):
        with contextlib.redirect_stdout(io.StringIO()):
            begin = time.perf_counter()
            coco = COCO(truth)
            found = coco.loadRes(results)
            middle = time.perf_counter()
            e = COCOeval(coco, found, args.kind)
            e.evaluate()
            e.accumulate()
            e.summarize()
            end = time.perf_counter()
        return {"read": middle - begin, "score": end - middle, "whole": end - begin, "AP": float(e.stats[0])}
    return work


peers = {"hadal": hadal}
with contextlib.suppress(ImportError):
    import hotcoco
    peers["hotcoco"] = python(hotcoco.COCO, hotcoco.COCOeval)
with contextlib.suppress(ImportError):
    from pycocotools import coco, cocoeval
    if not args.no_pycocotools:
        peers["pycocotools"] = python(coco.COCO, cocoeval.COCOeval)

with tempfile.TemporaryDirectory() as temporary:
    folder = pathlib.Path(args.folder or temporary)
    folder.mkdir(parents=True, exist_ok=True)
    truth, results = folder / f"truth-{args.kind}.json", folder / f"results-{args.kind}.json"
    if not results.exists():
        draw(truth, results, np.random.default_rng(0))
    best = {}
    for run in range(args.runs):
        for name, work in peers.items():
            if name == "pycocotools" and run > 0:
                continue  # minutes; once is enough to tell
            got = work(str(truth), str(results))
            for key, value in got.items():
                best[name, key] = min(best.get((name, key), float("inf")), value)
    for name in peers:
        parts = "  ".join(f"{key} {best[name, key]:7.3f} s ({best[name, key] / best['hadal', key]:.2f}x)"
                          for key in ("read", "score", "whole"))
        print(f"{name:<12} {parts}  AP {best[name, 'AP']:.12f}")
