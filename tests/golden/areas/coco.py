"""COCO as pycocotools computes it: run-length masks of odd polygons, and scores of small drawn sets with crowds, ties, empty
pictures, sizes on the limits, more results than count. TIDE's errors where tidecv is there; else the numbers that are kept."""
import contextlib
import copy
import io
import json
import pathlib

import numpy as np
from pycocotools import mask as masks
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

HERE = pathlib.Path(__file__).parent.parent / "coco"


def polygon(rng, kind, height, width):
    n = int(rng.integers(3, 9))
    spread = {"inside": 1, "beyond": 2, "far": 6}.get(kind, 1)
    points = (rng.random((n, 2)) - .5) * spread * [width, height] + [width / 2, height / 2]
    if kind == "whole":
        points = np.round(points)
    if kind == "half":
        points = np.round(points * 2) / 2
    if kind == "thin":
        points[:, 1] = points[0, 1] + rng.random(n) * .8
    if kind == "line":
        points = np.repeat(points[:1], n, 0) + np.arange(n)[:, None] * [1.5, .5]
    if kind == "edge":
        points = np.clip(np.round(points * 3), 0, [width, height])
    return [round(float(v), 3) for v in points.reshape(-1)]


def make_masks(rng):
    out = {"polygons": [], "pairs": [], "bitmaps": []}
    for i in range(240):
        height, width = (int(v) for v in rng.integers(1, 60, 2))
        kind = ["inside", "beyond", "far", "whole", "half", "thin", "line", "edge"][i % 8]
        xy = polygon(rng, kind, height, width)
        rle = masks.frPyObjects([xy], height, width)[0]
        out["polygons"].append({"size": [height, width], "xy": xy, "counts": rle["counts"].decode(),
                                "area": int(masks.area(rle)), "box": masks.toBbox(rle).tolist()})
    for _ in range(60):
        height, width = (int(v) for v in rng.integers(2, 40, 2))
        xy = [polygon(rng, kind, height, width) for kind in ("inside", "beyond", "whole")]
        rles = masks.frPyObjects(xy, height, width)
        pair = [rles[0], masks.merge(rles[1:])]
        box = [round(float(v), 2) for v in (rng.random(4) * [width, height, width, height])]
        out["pairs"].append({
            "size": [height, width], "xy": xy, "union": masks.merge(rles)["counts"].decode(),
            "both": masks.merge(pair, True)["counts"].decode(),
            "iou": float(masks.iou([pair[0]], [pair[1]], [0])[0, 0]), "crowd": float(masks.iou([pair[0]], [pair[1]], [1])[0, 0]),
            "box": box, "box_counts": masks.frPyObjects(np.array([box]), height, width)[0]["counts"].decode()})
    for fill in (0, .1, .5, .9, 1):
        for _ in range(3):
            bitmap = (rng.random(tuple(rng.integers(1, 14, 2))) < fill).astype(np.uint8)
            rle = masks.encode(np.asfortranarray(bitmap))
            out["bitmaps"].append({"size": rle["size"], "rows": ["".join(map(str, row)) for row in bitmap.tolist()],
                                   "counts": rle["counts"].decode(), "box": masks.toBbox(rle).tolist()})
    return out


def draw(rng, kind, pictures, classes, most_truth, most_found, ties, crowd=.1, ids_from=1):
    """A truth and results that are moved copies of it, and strays."""
    images = [{"id": int(i), "width": 200, "height": 160, "file_name": f"{i}.jpg"} for i in rng.permutation(pictures) + 3]
    truth, found = [], []
    points = 17 if kind == "keypoints" else 0
    for image in images:
        here = []
        for _ in range(int(rng.integers(0, most_truth + 1))):
            side = rng.choice([12, 32, 40, 96, 110])  # 32 x 32 and 96 x 96 lie right on the limits
            box = [float(v) for v in np.round(rng.random(2) * 80, 1)] + [float(side), float(rng.choice([side, side + 3]))]
            a = {"id": len(truth) + ids_from, "image_id": image["id"], "category_id": int(rng.integers(1, classes + 1)) * 2,
                 "bbox": box, "area": box[2] * box[3], "iscrowd": int(rng.random() < crowd)}
            if kind == "segm":
                x, y, w, h = box
                a["segmentation"] = [[x, y, x + w, y, x + w * .7, y + h, x, y + h * .8]]
                if a["iscrowd"]:
                    rle = masks.frPyObjects(a["segmentation"], 160, 200)[0]
                    bits = masks.decode(rle).reshape(-1, order="F")
                    cuts = np.flatnonzero(np.diff(np.concatenate([[0], bits])))
                    counts = np.diff(np.concatenate([[0], cuts, [len(bits)]])).tolist()
                    a["segmentation"] = {"size": [160, 200], "counts": counts}
            if points:
                xy = np.round(rng.random((points, 2)) * box[2:] + box[:2], 1)
                seen = (rng.random(points) < rng.choice([0, .5, 1])).astype(int) * rng.integers(1, 3, points)
                a["keypoints"] = [v for p, s in zip(xy, seen) for v in (float(p[0]), float(p[1]), int(s))]
                a["num_keypoints"] = int((seen > 0).sum())
            truth.append(a)
            here.append(a)
        for _ in range(int(rng.integers(0, most_found + 1))):
            score = float(rng.integers(0, 4) / 4) if ties else round(float(rng.random()), 4)
            like = here[int(rng.integers(len(here)))] if here and rng.random() < .8 else None
            box = np.array(like["bbox"]) if like else np.concatenate([rng.random(2) * 80, rng.choice([20, 60, 100], 2)])
            shift = float(rng.choice([0, .5, 2, 6]))
            box = np.round(box + rng.normal(size=4) * shift, 1)
            box[2:] = np.maximum(box[2:], 1)
            category = like["category_id"] if like and rng.random() < .9 else int(rng.integers(1, classes + 1)) * 2
            r = {"image_id": image["id"], "category_id": category, "score": score}
            if kind == "bbox":
                r["bbox"] = box.tolist()
            elif kind == "segm":
                x, y, w, h = box
                rle = masks.frPyObjects([[x, y, x + w, y, x + w * .7, y + h, x, y + h * .8]], 160, 200)[0]
                r["segmentation"] = {"size": [160, 200], "counts": rle["counts"].decode()}
            else:
                base = np.array(like["keypoints"]).reshape(-1, 3)[:, :2] if like else rng.random((points, 2)) * box[2:] + box[:2]
                xy = np.round(base + rng.normal(size=(points, 2)) * shift, 1)
                r["keypoints"] = [v for p in xy.tolist() for v in (p[0], p[1], .5)]
            found.append(r)
    categories = [{"id": 2 * c, "name": f"class {c}"} for c in range(classes + 1, 0, -1)]  # the last one never occurs
    if points:
        for c in categories:
            c["keypoints"] = [f"point {k}" for k in range(17)]
    return {"images": images, "annotations": truth, "categories": categories}, found


def score(kind, truth, found, use_categories=1):
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = copy.deepcopy(truth)
        coco.createIndex()
        e = COCOeval(coco, coco.loadRes(copy.deepcopy(found)), kind)
        e.params.useCats = use_categories
        e.evaluate()
        e.accumulate()
        e.summarize()
    precision, scores = e.eval["precision"][..., -1], e.eval["scores"][..., -1]  # T, R, K, A
    return {"stats": e.stats.tolist(), "classes": truth["categories"] and [int(c) for c in sorted(e.params.catIds)],
            "precision": np.round(precision.mean(1).transpose(1, 2, 0), 12).tolist(),
            "confidence": np.round(scores.mean(1).transpose(1, 2, 0), 12).tolist(),
            "recall": np.round(e.eval["recall"].transpose(1, 2, 3, 0), 12).tolist()}  # K, A, M, T


def tide(truth, found):
    """TIDE's six, in percent of AP50, for boxes."""
    try:
        import tidecv
    except ImportError:
        return None
    data, results = tidecv.Data("truth"), tidecv.Data("found")
    for image in sorted(truth["images"], key=lambda image: image["id"]):
        for d in (data, results):
            d.add_image(image["id"], image["file_name"])
    for c in truth["categories"]:
        data.add_class(c["id"], c["name"])
    for a in truth["annotations"]:
        (data.add_ignore_region if a["iscrowd"] else data.add_ground_truth)(a["image_id"], a["category_id"], a["bbox"])
    for r in found:
        results.add_detection(r["image_id"], r["category_id"], r["score"], r["bbox"])
    run = tidecv.TIDE().evaluate(data, results, mode=tidecv.TIDE.BOX)
    return {"ap": float(run.ap), "errors": {k.short_name: float(v) for k, v in run.fix_main_errors().items()},
            "special": {k.short_name: float(v) for k, v in run.fix_special_errors().items()},
            "counts": {k.short_name: v for k, v in run.count_errors().items()}}


def make(save):
    rng = np.random.default_rng(0)
    HERE.mkdir(exist_ok=True)
    (HERE / "masks.json").write_text(json.dumps(make_masks(rng)))
    before = {c["name"]: c for c in json.loads((HERE / "scores.json").read_text())} if (HERE / "scores.json").exists() else {}
    cases = []
    for name, kind, options in [
        ("boxes", "bbox", dict(pictures=14, classes=3, most_truth=6, most_found=10, ties=False)),
        ("ties", "bbox", dict(pictures=12, classes=2, most_truth=5, most_found=12, ties=True)),
        ("crowds", "bbox", dict(pictures=10, classes=2, most_truth=6, most_found=10, ties=True, crowd=.5)),
        ("many", "bbox", dict(pictures=3, classes=1, most_truth=20, most_found=330, ties=True)),
        ("id 0", "bbox", dict(pictures=4, classes=1, most_truth=4, most_found=6, ties=False, ids_from=0)),
        ("nothing to find", "bbox", dict(pictures=4, classes=2, most_truth=0, most_found=6, ties=False)),
        ("little found", "bbox", dict(pictures=8, classes=2, most_truth=4, most_found=1, ties=False)),
        ("one class", "bbox", dict(pictures=10, classes=4, most_truth=6, most_found=10, ties=True)),
        ("masks", "segm", dict(pictures=10, classes=2, most_truth=6, most_found=9, ties=False)),
        ("masks with ties", "segm", dict(pictures=8, classes=2, most_truth=6, most_found=9, ties=True, crowd=.3)),
        ("points", "keypoints", dict(pictures=8, classes=1, most_truth=4, most_found=6, ties=False)),
        ("points with ties", "keypoints", dict(pictures=6, classes=1, most_truth=5, most_found=30, ties=True, crowd=.3)),
    ]:
        truth, found = draw(rng, kind, **options)
        case = {"name": name, "kind": kind, "truth": truth, "found": found,
                **score(kind, truth, found, int(name != "one class"))}
        if kind == "bbox" and name in ("boxes", "ties", "crowds", "little found"):
            case["tide"] = tide(truth, found) or before.get(name, {}).get("tide")
        cases.append(case)
    (HERE / "scores.json").write_text(json.dumps(cases, separators=(",", ":")))
    for path in sorted(HERE.glob("*.json")):
        print(f"coco/{path.name}: {path.stat().st_size / 1024:.0f} KiB")
