"""YOLOX in plain PyTorch, from the paper (arXiv:2107.08430) and the layout of Megvii's checkpoints: sizes of all six,
outputs, assignment, losses and gradients of two small ones.

Computed in doubles from weights and pictures that are floats.
"""
import json
import math
import pathlib
import sys

import torch
import torch.nn.functional as F
from torch import nn

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from vision import fnv1a, uniform, weight  # noqa: E402

SIZES = {"nano": (0.33, 0.25, True), "tiny": (0.33, 0.375, False), "s": (0.33, 0.5, False), "m": (0.67, 0.75, False),
         "l": (1.0, 1.0, False), "x": (1.33, 1.25, False)}


class Conv(nn.Module):
    def __init__(self, before, after, kernel, stride=1, groups=1):
        super().__init__()
        self.conv = nn.Conv2d(before, after, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(after, eps=1e-3, momentum=0.03)

    def forward(self, x):
        return F.silu(self.bn(self.conv(x)))


class Separable(nn.Module):
    def __init__(self, before, after, kernel, stride=1):
        super().__init__()
        self.dconv = Conv(before, before, kernel, stride, before)
        self.pconv = Conv(before, after, 1)

    def forward(self, x):
        return self.pconv(self.dconv(x))


class Bottleneck(nn.Module):
    def __init__(self, width, add, kind):
        super().__init__()
        self.add, self.conv1, self.conv2 = add, Conv(width, width, 1), kind(width, width, 3)

    def forward(self, x):
        y = self.conv2(self.conv1(x))
        return x + y if self.add else y


class Csp(nn.Module):
    def __init__(self, before, after, count, add, kind):
        super().__init__()
        half = after // 2
        self.conv1, self.conv2, self.conv3 = Conv(before, half, 1), Conv(before, half, 1), Conv(2 * half, after, 1)
        self.m = nn.Sequential(*[Bottleneck(half, add, kind) for _ in range(count)])

    def forward(self, x):
        return self.conv3(torch.cat([self.m(self.conv1(x)), self.conv2(x)], 1))


class Pools(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv1, self.conv2 = Conv(width, width // 2, 1), Conv(width * 2, width, 1)

    def forward(self, x):
        x = self.conv1(x)
        return self.conv2(torch.cat([x] + [F.max_pool2d(x, k, 1, k // 2) for k in (5, 9, 13)], 1))


class Focus(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = Conv(12, width, 3)

    def forward(self, x):
        return self.conv(torch.cat([x[..., i::2, j::2] for j in (0, 1) for i in (0, 1)], 1))


class Darknet(nn.Module):
    def __init__(self, width, count, kind):
        super().__init__()
        self.stem = Focus(width)
        for i in range(4):
            layers = [kind(width, 2 * width, 3, 2)] + ([Pools(2 * width)] if i == 3 else [])
            layers.append(Csp(2 * width, 2 * width, count * (3 if i in (1, 2) else 1), i < 3, kind))
            setattr(self, f"dark{i + 2}", nn.Sequential(*layers))
            width *= 2

    def forward(self, x):
        x = self.dark2(self.stem(x))
        eighth = self.dark3(x)
        sixteenth = self.dark4(eighth)
        return eighth, sixteenth, self.dark5(sixteenth)


class Pyramid(nn.Module):
    def __init__(self, depth, width, kind):
        super().__init__()
        count = round(3 * depth)
        a, b, c = (int(n * width) for n in (256, 512, 1024))
        self.backbone = Darknet(int(64 * width), max(count, 1), kind)
        self.lateral_conv0, self.C3_p4 = Conv(c, b, 1), Csp(2 * b, b, count, False, kind)
        self.reduce_conv1, self.C3_p3 = Conv(b, a, 1), Csp(2 * a, a, count, False, kind)
        self.bu_conv2, self.C3_n3 = kind(a, a, 3, 2), Csp(2 * a, b, count, False, kind)
        self.bu_conv1, self.C3_n4 = kind(b, b, 3, 2), Csp(2 * b, c, count, False, kind)

    def forward(self, x):
        a, b, c = self.backbone(x)
        c = self.lateral_conv0(c)
        b = self.reduce_conv1(self.C3_p4(torch.cat([F.interpolate(c, scale_factor=2.0), b], 1)))
        out = [self.C3_p3(torch.cat([F.interpolate(b, scale_factor=2.0), a], 1))]
        out.append(self.C3_n3(torch.cat([self.bu_conv2(out[-1]), b], 1)))
        out.append(self.C3_n4(torch.cat([self.bu_conv1(out[-1]), c], 1)))
        return out


class Head(nn.Module):
    def __init__(self, classes, width, kind):
        super().__init__()
        w = int(256 * width)
        each = lambda make: nn.ModuleList(make(n) for n in (256, 512, 1024))  # noqa: E731
        self.cls_convs = each(lambda n: nn.Sequential(kind(w, w, 3), kind(w, w, 3)))
        self.reg_convs = each(lambda n: nn.Sequential(kind(w, w, 3), kind(w, w, 3)))
        self.cls_preds = each(lambda n: nn.Conv2d(w, classes, 1))
        self.reg_preds = each(lambda n: nn.Conv2d(w, 4, 1))
        self.obj_preds = each(lambda n: nn.Conv2d(w, 1, 1))
        self.stems = each(lambda n: Conv(int(n * width), w, 1))

    def forward(self, features):
        rows, places, strides = [], [], []
        for k, x in enumerate(features):
            x = self.stems[k](x)
            where = self.reg_convs[k](x)
            y = torch.cat([self.reg_preds[k](where), self.obj_preds[k](where), self.cls_preds[k](self.cls_convs[k](x))], 1)
            h, w = y.shape[2:]
            rows.append(y.permute(0, 2, 3, 1).flatten(1, 2))
            places += [[i, j] for j in range(h) for i in range(w)]
            strides += [8 << k] * (h * w)
        return torch.cat(rows, 1), torch.tensor(places).double(), torch.tensor(strides).double()[:, None]


class Yolox(nn.Module):
    def __init__(self, classes, depth, width, depthwise):
        super().__init__()
        kind = Separable if depthwise else Conv
        self.backbone, self.head = Pyramid(depth, width, kind), Head(classes, width, kind)

    def forward(self, x):
        return self.head(self.backbone(x))


def boxes_of(raw, places, strides):
    middle, side = (raw[..., :2] + places) * strides, raw[..., 2:4].exp() * strides
    return torch.cat([middle - side / 2, middle + side / 2], -1)


def ious(a, b):
    low, high = torch.maximum(a[:, None, :2], b[None, :, :2]), torch.minimum(a[:, None, 2:], b[None, :, 2:])
    common = (high - low).clamp(min=0).prod(2)
    return common / ((a[:, 2:] - a[:, :2]).prod(1)[:, None] + (b[:, 2:] - b[:, :2]).prod(1) - common)


@torch.no_grad()
def assign(raw, places, strides, boxes, labels):
    """Object by object and cell by cell; candidates are cells within a box or near its middle."""
    pred = boxes_of(raw, places, strides)
    classes = raw.shape[1] - 5
    inside, near = (torch.zeros(len(boxes), len(raw), dtype=torch.bool) for _ in range(2))
    for t, box in enumerate(boxes):
        for n in range(len(raw)):
            x, y = ((places[n] + 0.5) * strides[n]).tolist()
            inside[t, n] = box[0] < x < box[2] and box[1] < y < box[3]
            reach = 2.5 * strides[n]
            near[t, n] = abs(x - (box[0] + box[2]) / 2) < reach and abs(y - (box[1] + box[3]) / 2) < reach
    candidates = [n for n in range(len(raw)) if inside[:, n].any() or near[:, n].any()]
    overlap = ious(boxes, pred)
    score = (raw[:, 5:].sigmoid() * raw[:, 4:5].sigmoid()).sqrt()
    cost = torch.full((len(boxes), len(raw)), math.inf).double()
    for t in range(len(boxes)):
        y = F.one_hot(labels[t], classes).double()
        for n in candidates:
            cost[t, n] = F.binary_cross_entropy(score[n], y, reduction="sum") - 3 * (overlap[t, n] + 1e-8).log()
            cost[t, n] += 0 if inside[t, n] and near[t, n] else 1e5
    wants = {}
    for t in range(len(boxes)):
        count = max(int(overlap[t, candidates].topk(min(10, len(candidates)))[0].sum()), 1)
        for n in cost[t].argsort()[:count].tolist():
            wants.setdefault(n, []).append(t)
    cells = sorted(wants)
    objects = [wants[n][0] if len(wants[n]) == 1 else int(cost[:, n].argmin()) for n in cells]
    return cells, objects, overlap[objects, cells]


def losses(out, boxes, labels, owner, classes):
    raw, places, strides = out
    pred = boxes_of(raw, places, strides)
    objectness = torch.zeros_like(raw[..., 4])
    box = cls = l1 = 0
    count, chosen = 0, []
    for b in range(len(raw)):
        mine = (owner == b).nonzero().flatten()
        if not len(mine):
            continue
        cells, objects, overlap = assign(raw[b], places, strides, boxes[mine], labels[mine])
        truth = boxes[mine][objects]
        i = torch.stack([ious(p[None], t[None])[0, 0] for p, t in zip(pred[b, cells], truth)])
        box = box + 5 * (1 - i**2).sum()
        target = F.one_hot(labels[mine][objects], classes) * overlap[:, None]
        cls = cls + F.binary_cross_entropy_with_logits(raw[b, cells, 5:], target, reduction="sum")
        middle, side = (truth[:, :2] + truth[:, 2:]) / 2, truth[:, 2:] - truth[:, :2]
        goal = torch.cat([middle / strides[cells] - places[cells], (side / strides[cells] + 1e-8).log()], 1)
        l1 = l1 + (raw[b, cells, :4] - goal).abs().sum()
        objectness[b, cells] = 1
        count += len(cells)
        chosen += [[b, n, int(mine[o])] for n, o in zip(cells, objects)]
    obj = F.binary_cross_entropy_with_logits(raw[..., 4], objectness, reduction="sum")
    return [part / max(count, 1) for part in (box, obj, cls, l1)], torch.tensor(chosen)


def case(tensors, about, name, depthwise):
    classes, height, width = 3, 64, 96
    model = Yolox(classes, 0.33, 0.125, depthwise)
    for key, tensor in model.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            tensor.copy_(weight(key, tuple(tensor.shape)).float())
    model.double()
    pixels = ((uniform(f"{name}/pixels", (3, 3, height, width)) + 1) * 2).float().double().requires_grad_()
    model.eval()
    with torch.no_grad():
        raw, places, strides = model(pixels)
        tensors[f"{name}/found"] = torch.cat([boxes_of(raw, places, strides), raw[..., 4:].sigmoid()], 2)
    model.train()
    u = uniform(f"{name}/boxes", (8, 4)).float()
    side = torch.exp(u[:, 2:]) * torch.tensor([22.0, 18.0])
    middle = (u[:, :2] + 1) / 2 * torch.tensor([width - 1.0, height - 1.0])
    boxes = torch.cat([middle - side / 2, middle + side / 2], 1)
    boxes[-1] = boxes[-2] + 1.5  # two that want the same cells
    labels, owner = torch.arange(8) * 5 % classes, torch.tensor([0, 0, 0, 2, 2, 2, 2, 2])
    tensors.update({f"{name}/boxes": boxes, f"{name}/labels": labels, f"{name}/owner": owner})
    parts, chosen = losses(model(pixels), boxes.double(), labels, owner, classes)
    tensors[f"{name}/losses"], tensors[f"{name}/chosen"] = torch.stack(parts), chosen
    (parts[0] + 2 * parts[1] + 3 * parts[2] + 4 * parts[3]).backward()
    rows = [("pixels", pixels.grad)] + [(key, p.grad) for key, p in model.named_parameters()]
    about[f"{name}/gradients"] = json.dumps([key for key, _ in rows])
    tensors[f"{name}/gradients"] = torch.tensor(
        [[g.norm(), (g * uniform(key + "/probe", tuple(g.shape))).sum()] for key, g in rows], dtype=torch.float64)


def good_guesses(tensors):
    """Cells that guess objects well: objects have many cells each, and compete for some."""
    boxes = torch.tensor([[3.0, 5, 40, 50], [20, 14, 62, 60], [10, 8, 30, 22], [50, 2, 58, 9], [4, 6, 42, 52]])
    labels = torch.tensor([0, 1, 2, 1, 0])
    places, strides = [], []
    for k in range(3):
        side = 8 >> k
        places += [[i, j] for j in range(side) for i in range(side)]
        strides += [8 << k] * side**2
    places, strides = torch.tensor(places).double(), torch.tensor(strides).double()[:, None]
    raw = uniform("guesses", (len(places), 8)).float().double()
    near = torch.tensor([n % len(boxes) for n in range(len(places))])
    wide = boxes.double()[near] + 4 * uniform("noise", (len(places), 4)).float()
    raw[:, :2] = (wide[:, :2] + wide[:, 2:]) / 2 / strides - places
    raw[:, 2:4] = ((wide[:, 2:] - wide[:, :2]).clamp(min=1) / strides).log()
    cells, objects, overlap = assign(raw, places, strides, boxes.double(), labels)
    assert max(objects.count(t) for t in set(objects)) > 3
    tensors.update({"guesses/raw": raw[None], "guesses/corners": places, "guesses/strides": strides, "guesses/boxes": boxes,
                    "guesses/labels": labels, "guesses/cells": torch.tensor(cells), "guesses/overlap": overlap,
                    "guesses/objects": torch.tensor(objects), "guesses/pred": boxes_of(raw, places, strides)[None]})


def sizes():
    """Parameters, and a hash of the sorted `name (shape)` lines, of the published sizes."""
    out = {}
    for name, (depth, width, depthwise) in SIZES.items():
        with torch.device("meta"):
            model = Yolox(80, depth, width, depthwise)
        lines = sorted(f"{key} ({', '.join(map(str, value.shape))})\n" for key, value in model.state_dict().items())
        out[name] = {"parameters": sum(p.numel() for p in model.parameters()), "shapes": f"{fnv1a(''.join(lines)):016x}"}
    return out


def make(save):
    tensors, about = {}, {"sizes": json.dumps(sizes())}
    good_guesses(tensors)
    case(tensors, about, "dense", False)
    case(tensors, about, "depthwise", True)
    save("yolox", tensors, about)
