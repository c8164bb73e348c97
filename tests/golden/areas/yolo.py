"""YOLO: ultralytics' predictions, what it finds, losses and gradients for small networks of each family and head; v5's anchors
by the formulas of its publication (github.com/ultralytics/yolov5, v6), written out here in doubles.

Weights are not kept: a hash of a tensor's name gives its values, as in vision.py.
"""
import importlib.util
import json
import math
import pathlib
import re

import torch
import torch.nn.functional as F
from torch import nn
from ultralytics.cfg import get_cfg
from ultralytics.nn.tasks import DetectionModel, PoseModel, SegmentationModel, parse_model, yaml_model_load
from ultralytics.utils.nms import non_max_suppression
from ultralytics.utils.ops import xywh2xyxy
from ultralytics.utils.torch_utils import initialize_weights

SPEC = importlib.util.spec_from_file_location("vision", pathlib.Path(__file__).parent / "vision.py")
VISION = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(VISION)

HEIGHT, WIDTH, CLASSES = 64, 96, 3
SCALE = [0.5, 0.125, 1024]
# x1 y1 x2 y2, class, picture
OBJECTS = [[5, 6, 52, 40, 0, 0], [30, 20, 90, 60, 2, 0], [70, 8, 76, 13, 1, 0], [10, 30, 44, 62, 1, 1], [20, 3, 80, 50, 0, 1]]
# name, family's yaml, model's class, size's letter, keypoints and their dimensions, the end-to-end shares
CASES = [
    ("v8", "yolov8n", DetectionModel, "n", None),
    ("v8-seg", "yolov8n-seg", SegmentationModel, "n", None),
    ("v8-pose", "yolov8n-pose", PoseModel, "n", [5, 3]),
    ("11", "yolo11n", DetectionModel, "m", None),
    ("11-seg", "yolo11n-seg", SegmentationModel, "n", None),
    ("11-pose", "yolo11n-pose", PoseModel, "n", [17, 3]),
    ("26", "yolo26n", DetectionModel, "n", None),
    ("26-seg", "yolo26n-seg", SegmentationModel, "n", None),
    ("26-pose", "yolo26n-pose", PoseModel, "m", [5, 3]),
]


def weight(name, shape):
    value = VISION.weight(name, shape).to(torch.float32).double()
    return value + 2 if re.search(r"cv2\.\d\.2\.bias$", name) else value  # distances to sides begin at 2


def fill(model):
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if not name.endswith(("num_batches_tracked", "dfl.conv.weight", "anchors", "loc", "cov", "flow_model.mask")):
                tensor.copy_(weight(name, tuple(tensor.shape)))
    return model.double()


def settings(family, letter, keypoints, masks):
    lines = [f'family = "{family}"', f'size = "{letter}"', f"depth = {SCALE[0]}", f"width = {SCALE[1]}", f"most_channels = {SCALE[2]}",
             f"classes = {CLASSES}"]
    if masks:
        lines.append("masks = true")
    if keypoints:
        lines += [f"keypoints = {keypoints[0]}", f"keypoint_dims = {keypoints[1]}"]
    return "\n".join(lines)


def gradients(model, pixels):
    """A row a parameter, by name: norm, and product with a probe. The first is the pixels'."""
    rows = [[pixels.grad.norm(), (pixels.grad * VISION.uniform("pixels/probe", pixels.shape)).sum()]]
    for name, parameter in sorted(model.named_parameters()):
        grad = parameter.grad if parameter.grad is not None else torch.zeros_like(parameter)
        rows.append([grad.norm(), (grad * VISION.uniform(name + "/probe", grad.shape)).sum()])
    return torch.tensor(rows)


def truth(keypoints):
    objects = torch.tensor(OBJECTS, dtype=torch.float64)
    boxes, labels, owner = objects[:, :4], objects[:, 4], objects[:, 5]
    y, x = torch.meshgrid(torch.arange(HEIGHT // 4) * 4 + 2, torch.arange(WIDTH // 4) * 4 + 2, indexing="ij")
    centre, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2
    inside = ((x - centre[:, 0, None, None]) / half[:, 0, None, None]) ** 2 + ((y - centre[:, 1, None, None]) / half[:, 1, None, None]) ** 2
    masks = (inside < 1).double()
    points = None
    if keypoints:
        share = (VISION.uniform("keypoints", (len(OBJECTS), keypoints[0], 2)) + 1) / 2
        points = boxes[:, None, :2] + share * (boxes[:, 2:] - boxes[:, :2])[:, None]
        visible = (VISION.uniform("visible", (len(OBJECTS), keypoints[0], 1)) * 1.7 + 1).round().clamp(0, 2)
        visible[2] = 0  # an object without any
        points = torch.cat((points, visible), -1)
    return boxes, labels, owner, masks, points


def batch_of(keypoints):
    boxes, labels, owner, masks, points = truth(keypoints)
    size = torch.tensor([WIDTH, HEIGHT], dtype=torch.float64)
    centre, extent = (boxes[:, :2] + boxes[:, 2:]) / 2 / size, (boxes[:, 2:] - boxes[:, :2]) / size
    semantic = torch.zeros(2, *masks.shape[1:])
    for i in masks.sum((1, 2)).argsort(descending=True):
        semantic[int(owner[i])][masks[i] > 0] = labels[i]
    batch = {"batch_idx": owner, "cls": labels[:, None], "bboxes": torch.cat((centre, extent), 1), "masks": masks, "sem_masks": semantic}
    if points is not None:
        batch["keypoints"] = torch.cat((points[..., :2] / size, points[..., 2:]), -1)
    return batch


def found_rows(rows, picture):
    rows = rows.clone()
    rows[:, 0:4:2].clamp_(0, WIDTH)
    rows[:, 1:4:2].clamp_(0, HEIGHT)
    return torch.cat((torch.full((len(rows), 1), float(picture), dtype=rows.dtype), rows[:, :6]), 1)


def ultralytics_case(name, yaml, maker, letter, keypoints):
    config = yaml_model_load(f"{yaml}.yaml")
    config.update(scales={letter: SCALE}, scale=letter, nc=CLASSES)
    if keypoints:
        config["kpt_shape"] = keypoints
    model = fill(maker(config, ch=3, nc=CLASSES, verbose=False))
    model.args = get_cfg(overrides={"overlap_mask": False})
    head = model.model[-1]
    head.end2end = name.startswith("26")
    pixels = VISION.uniform("pixels", (2, 3, HEIGHT, WIDTH)) * 0.5 + 0.5
    tensors = {}
    with torch.no_grad():
        out = model.eval()(pixels)
        raw = out[1]["one2one"] if head.end2end else out[1]
        decoded = head._inference(raw)
        boxes = decoded[:, :4] if head.end2end else xywh2xyxy(decoded[:, :4].transpose(1, 2)).transpose(1, 2)
        tensors["predictions"] = torch.cat((boxes, decoded[:, 4:]), 1).transpose(1, 2)
        if "seg" in name:
            tensors["prototypes"] = out[0][1][:, ::8]  # every eighth
        if head.end2end:
            head.max_det = 20
            found = [rows[rows[:, 4] > 0.5] for rows in head.postprocess(decoded.transpose(1, 2))]
        else:
            found = non_max_suppression(decoded.clone(), 0.5, 0.6, max_det=20, nc=CLASSES)
        tensors["found"] = torch.cat([found_rows(rows, i) for i, rows in enumerate(found)])
    model.train()
    pixels = pixels.clone().requires_grad_()
    criterion = model.init_criterion()
    names = criterion.loss_names if hasattr(criterion, "loss_names") else criterion.one2many.loss_names
    if head.end2end:
        criterion.o2m, criterion.o2o = 0.8 - 0.25 * 0.7, 0.2 + 0.25 * 0.7  # a quarter of the run
    values = criterion(model(pixels), batch_of(keypoints))[0]
    values.sum().backward()
    tensors["losses"] = values
    tensors["gradients"] = gradients(model, pixels)
    about = {"settings": settings(name.split("-")[0], letter, keypoints, "seg" in name), "losses": [n.removesuffix("_loss") for n in names],
             "parameters": sorted(n for n, _ in model.named_parameters())[::20], "tensors": len(model.state_dict())}
    return tensors, about


class AnchorHead(nn.Module):
    """What yolov5 calls Detect: at each cell three anchors, each with x, y, w, h, objectness and classes."""

    SIZES = [[10, 13, 16, 30, 33, 23], [30, 61, 62, 45, 59, 119], [116, 90, 156, 198, 373, 326]]

    def __init__(self, widths):
        super().__init__()
        self.m = nn.ModuleList(nn.Conv2d(width, 3 * (5 + CLASSES), 1) for width in widths)
        strides = torch.tensor([8.0, 16.0, 32.0]).view(3, 1, 1)
        self.register_buffer("anchors", torch.tensor(self.SIZES).view(3, 3, 2) / strides)

    def forward(self, levels):
        out = []
        for conv, level in zip(self.m, levels):
            y = conv(level)
            out.append(y.view(len(y), 3, 5 + CLASSES, *y.shape[2:]).permute(0, 1, 3, 4, 2))
        return out


class V5(nn.Module):
    def __init__(self):
        super().__init__()
        config = yaml_model_load("yolov5n.yaml")
        config.update(scales={"n": SCALE}, scale="n", nc=CLASSES)
        self.levels = config["head"][-1][0]
        config["head"] = config["head"][:-1]
        layers, _ = parse_model(config, ch=3, verbose=False)
        widths = [layers[i].cv3.conv.out_channels for i in self.levels]
        self.model = nn.Sequential(*layers, AnchorHead(widths))
        initialize_weights(self)

    def forward(self, x):
        outputs = []
        for layer in self.model[:-1]:
            source = layer.f if isinstance(layer.f, list) else [layer.f]
            inputs = [outputs[i] if outputs else x for i in source]
            x = layer(inputs if len(inputs) > 1 else inputs[0])
            outputs.append(x)
        return self.model[-1]([outputs[i] for i in self.levels])


def v5_yaml():
    """What yolov5's own files hold."""
    config = yaml_model_load("yolov5n.yaml")
    rows = config["head"][:-1] + [[config["head"][-1][0], 1, "Detect", ["nc", "anchors"]]]
    return {"nc": 80, "depth_multiple": 0.33, "width_multiple": 0.25, "anchors": AnchorHead.SIZES, "backbone": config["backbone"], "head": rows, "ch": 3}


def complete_iou(a, b):
    """Zheng et al. 2020, of (x, y, w, h)."""
    overlap = 1.0
    hull = 0.0
    for k in (0, 1):
        low = torch.maximum(a[k] - a[k + 2] / 2, b[k] - b[k + 2] / 2)
        high = torch.minimum(a[k] + a[k + 2] / 2, b[k] + b[k + 2] / 2)
        overlap = overlap * (high - low).clamp(min=0)
        whole = torch.maximum(a[k] + a[k + 2] / 2, b[k] + b[k + 2] / 2) - torch.minimum(a[k] - a[k + 2] / 2, b[k] - b[k + 2] / 2)
        hull = hull + whole**2
    iou = overlap / (a[2] * a[3] + b[2] * b[3] - overlap + 1e-7)
    apart = (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2
    v = 4 / math.pi**2 * (torch.atan(b[2] / b[3]) - torch.atan(a[2] / a[3])) ** 2
    alpha = (v / (1 - iou + v + 1e-7)).detach()
    return iou - apart / (hull + 1e-7) - alpha * v


def v5_losses(levels, anchors):
    boxes, labels, owner, _, _ = truth(None)
    box = obj = cls = torch.zeros(())
    for i, (level, stride) in enumerate(zip(levels, (8, 16, 32))):
        _, _, rows, columns, _ = level.shape
        wanted = torch.zeros(level.shape[:-1])
        overlaps, entropies = [], []
        for (x1, y1, x2, y2), label, picture in zip(boxes / stride, labels.long(), owner.long()):
            x, y, w, h = (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1
            for a, (wide, high) in enumerate(anchors[i]):
                if max(w / wide, wide / w, h / high, high / h) >= 4:
                    continue
                cells = [(int(y), int(x))]
                if x % 1 < 0.5 and x > 1:
                    cells.append((int(y), int(x - 0.5)))
                if y % 1 < 0.5 and y > 1:
                    cells.append((int(y - 0.5), int(x)))
                if (columns - x) % 1 < 0.5 and columns - x > 1:
                    cells.append((int(y), int(x + 0.5)))
                if (rows - y) % 1 < 0.5 and rows - y > 1:
                    cells.append((int(y + 0.5), int(x)))
                for row, column in cells:
                    said = level[picture, a, row, column]
                    s = said.sigmoid()
                    predicted = torch.stack((2 * s[0] - 0.5 + column, 2 * s[1] - 0.5 + row, (2 * s[2]) ** 2 * wide, (2 * s[3]) ** 2 * high))
                    overlap = complete_iou(predicted, torch.stack((x, y, w, h)))
                    overlaps.append(overlap)
                    best = max(float(wanted[picture, a, row, column]), float(overlap.detach()))
                    wanted[picture, a, row, column] = best
                    entropies.append(F.binary_cross_entropy_with_logits(said[5:], F.one_hot(label, CLASSES).double()))
        if overlaps:
            box = box + torch.stack([1 - overlap for overlap in overlaps]).mean()
            cls = cls + torch.stack(entropies).mean()
        obj = obj + F.binary_cross_entropy_with_logits(level[..., 4], wanted) * (4.0, 1.0, 0.4)[i]
    side = max(HEIGHT, WIDTH) / 640
    return torch.stack((box * 0.05, obj * side**2, cls * 0.5 * CLASSES / 80)) * 2


def v5_predictions(levels, anchors):
    parts = []
    for i, (level, stride) in enumerate(zip(levels, (8, 16, 32))):
        s = level.sigmoid()
        rows, columns = level.shape[2:4]
        y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        centre = (s[..., :2] * 2 - 0.5 + torch.stack((x, y), -1)) * stride
        size = (s[..., 2:4] * 2) ** 2 * anchors[i][:, None, None] * stride
        parts.append(torch.cat((centre - size / 2, centre + size / 2, s[..., 4:5] * s[..., 5:]), -1).flatten(1, 3))
    return torch.cat(parts, 1)


def v5_case():
    model = fill(V5())
    anchors = model.model[-1].anchors
    pixels = VISION.uniform("pixels", (2, 3, HEIGHT, WIDTH)) * 0.5 + 0.5
    with torch.no_grad():
        tensors = {"predictions": v5_predictions(model.eval()(pixels), anchors)}
    pixels.requires_grad_()
    tensors["losses"] = v5_losses(model.train()(pixels), anchors)
    tensors["losses"].sum().backward()
    tensors["gradients"] = gradients(model, pixels)
    about = {"settings": settings("v5", "n", None, False), "losses": ["box", "obj", "cls"],
             "parameters": sorted(n for n, _ in model.named_parameters())[::20], "tensors": len(model.state_dict())}
    return tensors, about


def make(save):
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    plain, torch.Tensor.float = torch.Tensor.float, torch.Tensor.double  # the reference asks for floats here and there
    cases = {"v5": v5_case()}
    for name, *rest in CASES:
        cases[name] = ultralytics_case(name, *rest)
    tensors, metadata = {}, {}
    for name, (case, about) in cases.items():
        for key, value in case.items():
            value = value[:, ::2] if key == "predictions" else value  # every second
            tensors[f"{name}/{key}"] = value.to(torch.float32) if key in ("predictions", "prototypes") else value.double()
        metadata[name] = json.dumps(about)
    for name, yaml, _, _, keypoints in CASES:  # as ultralytics' files tell of their networks
        metadata[f"yaml/{name}"] = json.dumps({"yaml": yaml_model_load(f"{yaml}.yaml"), "names": {0: "one", 1: "two"}})
    metadata["yaml/v5"] = json.dumps({"yaml": v5_yaml()})
    boxes, labels, owner, masks, _ = truth(None)
    tensors["boxes"], tensors["labels"], tensors["owner"], tensors["masks"] = boxes.to(torch.float32), labels.long(), owner.long(), masks.to(torch.uint8)
    for count in (5, 17):
        tensors[f"keypoints{count}"] = truth([count, 3])[4].to(torch.float32)
    save("yolo", tensors, metadata)
    torch.set_default_dtype(torch.float32)
    torch.Tensor.float = plain
