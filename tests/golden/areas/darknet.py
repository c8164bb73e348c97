"""Darknet's networks, built here once more from the same texts (tests/golden/darknet/*.cfg) in plain PyTorch: outputs,
losses and gradients.

Formulas are the papers' (YOLOv2 arXiv:1612.08242, v3 1804.02767, v4 2004.10934) and Darknet's; computed in doubles from
weights and pictures that are floats.
"""
import json
import math
import pathlib
import sys

import torch
import torch.nn.functional as F
from torch import nn

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from vision import uniform, weight  # noqa: E402

ACTIVATIONS = {
    "linear": lambda x: x, "leaky": lambda x: F.leaky_relu(x, 0.1), "relu": F.relu, "relu6": F.relu6,
    "mish": lambda x: x * torch.tanh(F.softplus(x)), "swish": lambda x: x * x.sigmoid(), "logistic": torch.sigmoid}


def parse(text):
    sections = []
    for line in filter(None, (line.replace(" ", "") for line in text.splitlines())):
        if line.startswith("["):
            sections.append({"type": line.strip("[]")})
        else:
            key, value = line.split("=")
            sections[-1][key] = value
    return sections[0], sections[1:]


def number(section, key, default):
    return float(section.get(key, default))


def pool(x, section):
    """Windows laid out as Darknet does, one by one."""
    size, stride = int(section["size"]), int(section["stride"])
    pad = size - 1
    rows, columns = ((side + pad - size) // stride + 1 for side in x.shape[2:])
    def window(i, side):
        start = i * stride - pad // 2
        return slice(max(start, 0), min(start + size, side))
    return torch.stack([torch.stack([x[:, :, window(i, x.shape[2]), window(j, x.shape[3])].amax((2, 3))
                                     for j in range(columns)], -1) for i in range(rows)], -2)


def reorg_memory(x, s):
    """reorg_cpu of Darknet, index by index; the input's sizes stand for both sides."""
    batch, c, h, w = x.shape
    k, j, i = torch.meshgrid(torch.arange(c), torch.arange(h), torch.arange(w), indexing="ij")
    part = k // (c // s**2)
    there = (i * s + part % s) + w * s * ((j * s + part // s) + h * s * (k % (c // s**2)))
    return x.reshape(batch, -1)[:, there.flatten()].reshape(batch, c * s**2, h // s, w // s)


def reorg_space(x, s):
    return torch.cat([x[:, :, i::s, j::s] for i in range(s) for j in range(s)], 1)


class Net(nn.Module):
    def __init__(self, text):
        super().__init__()
        self.net, self.sections = parse(text)
        self.layers = nn.ModuleDict()
        widths = []
        before = 3
        for i, s in enumerate(self.sections):
            kind, out = s["type"], before
            if kind == "convolutional":
                out, size = int(s["filters"]), int(s.get("size", 1))
                stride = int(s.get("stride", 1))
                pad = size // 2 if s.get("pad") == "1" else int(s.get("padding", 0))
                dilation = int(s.get("dilation", 1))
                norm = s.get("batch_normalize") == "1"
                block = {"conv": nn.Conv2d(before, out, size, stride, pad * dilation, dilation, int(s.get("groups", 1)),
                                           bias=not norm)}
                if norm:
                    block["bn"] = nn.BatchNorm2d(out)
                self.layers[str(i)] = nn.ModuleDict(block)
            elif kind == "route":
                out = sum(widths[k] for k in self.places(s, "layers", i)) // int(s.get("groups", 1))
            elif kind.startswith("reorg"):
                out = before * int(s["stride"]) ** 2
            widths.append(out)
            before = out

    @staticmethod
    def places(section, key, i):
        return [k + i if k < 0 else k for k in map(int, section[key].split(","))]

    def maps(self, x):
        outputs, heads = [], []
        for i, s in enumerate(self.sections):
            kind = s["type"]
            if kind == "convolutional":
                block = self.layers[str(i)]
                x = block["conv"](x)
                x = block["bn"](x) if "bn" in block else x
            elif kind == "shortcut":
                x = x.clone()
                for k in self.places(s, "from", i):
                    both = min(x.shape[1], outputs[k].shape[1])
                    x[:, :both] = x[:, :both] + outputs[k][:, :both]
            elif kind == "route":
                groups, group = int(s.get("groups", 1)), int(s.get("group_id", 0))
                parts = [outputs[k] for k in self.places(s, "layers", i)]
                x = torch.cat([p[:, p.shape[1] // groups * group:p.shape[1] // groups * (group + 1)] for p in parts], 1)
            elif kind == "maxpool":
                x = pool(x, s)
            elif kind == "avgpool":
                x = x.mean((2, 3), keepdim=True)
            elif kind == "upsample":
                k = int(s["stride"])
                x = x.repeat_interleave(k, 2).repeat_interleave(k, 3) * number(s, "scale", 1)
            elif kind == "reorg":
                x = reorg_memory(x, int(s["stride"]))
            elif kind == "reorg3d":
                x = reorg_space(x, int(s["stride"]))
            elif kind in ("scale_channels", "sam"):
                x = outputs[self.places(s, "from", i)[0]] * x
            elif kind in ("yolo", "region"):
                heads.append((s, x))
            if kind in ("convolutional", "shortcut"):
                x = ACTIVATIONS[s["activation"]](x)
            outputs.append(x)
        return heads


class Head:
    """One head's map, read with the picture's size."""

    def __init__(self, section, x, height, width):
        self.s, self.height, self.width = section, height, width
        self.region = section["type"] == "region"
        self.classes = int(section["classes"])
        flat = [float(v) for v in section["anchors"].split(",")]
        every = torch.tensor(flat, dtype=x.dtype).view(-1, 2)
        self.mask = [int(v) for v in section["mask"].split(",")] if "mask" in section else list(range(len(every)))
        batch, _, self.h, self.w = x.shape
        self.stride = torch.tensor([width / self.w, height / self.h], dtype=x.dtype)
        self.every = every * self.stride if self.region else every
        self.anchors = self.every[self.mask]
        self.t = x.view(batch, len(self.mask), 5 + self.classes, self.h, self.w).permute(0, 1, 3, 4, 2)
        self.new = section.get("new_coords") == "1"
        self.scale = number(section, "scale_x_y", 1)
        act = (lambda v: v) if self.new else torch.sigmoid
        cell = torch.stack([torch.arange(self.w).expand(self.h, -1), torch.arange(self.h).view(-1, 1).expand(-1, self.w)], -1)
        self.inside = act(self.t[..., :2]) * self.scale - 0.5 * (self.scale - 1)
        centre = (self.inside + cell) * self.stride
        raw = self.t[..., 2:4]
        sides = (4 * raw**2 if self.new else raw.exp()) * self.anchors.view(-1, 1, 1, 2)
        self.boxes = torch.cat([centre - sides / 2, centre + sides / 2], -1)
        self.objectness = act(self.t[..., 4])
        softmax = self.region and section.get("softmax") == "1"
        self.probabilities = self.t[..., 5:].softmax(-1) if softmax else act(self.t[..., 5:])
        self.softmax = softmax

    def rows(self):
        return torch.cat([self.boxes, self.objectness[..., None], self.probabilities], -1).flatten(1, 3)

    def losses(self, boxes, labels, owner):
        """Cell by cell and object by object, as Darknet's loops go."""
        s = self.s
        threshold = number(s, "thresh", 0.5) if self.region else number(s, "ignore_thresh", 0.5)
        learned = {}
        for t in range(len(boxes)):
            w, h = boxes[t, 2] - boxes[t, 0], boxes[t, 3] - boxes[t, 1]
            overlaps = [iou(torch.stack([-w, -h, w, h]) / 2, torch.cat([-a, a]) / 2).item() for a in self.every]
            best = overlaps.index(max(overlaps))
            i = int((boxes[t, 0] + boxes[t, 2]) / 2 / self.stride[0])
            j = int((boxes[t, 1] + boxes[t, 3]) / 2 / self.stride[1])
            for a, n in enumerate(self.mask):
                if n == best or (not self.region and overlaps[n] > number(s, "iou_thresh", 1)):
                    learned[int(owner[t]), a, j, i] = t
        box = classes = objectness = 0
        for b in range(self.t.shape[0]):
            own = boxes[owner == b]
            for a in range(len(self.mask)):
                for j in range(self.h):
                    for i in range(self.w):
                        if (b, a, j, i) in learned:
                            continue
                        if len(own) and max(iou(self.boxes[b, a, j, i], o).item() for o in own) > threshold:
                            continue
                        o = self.objectness[b, a, j, i]
                        objectness = objectness + (number(s, "noobject_scale", 1) * o**2 / 2 if self.region else
                                                   -number(s, "obj_normalizer", 1) * (1 - o).log())
        for (b, a, j, i), t in learned.items():
            truth, pred, raw = boxes[t], self.boxes[b, a, j, i], self.t[b, a, j, i]
            o, p, inside = self.objectness[b, a, j, i], self.probabilities[b, a, j, i], self.inside[b, a, j, i]
            side = truth[2:] - truth[:2]
            place = (truth[:2] + truth[2:]) / 2 / self.stride - torch.tensor([i, j])
            large = 2 - side[0] * side[1] / (self.width * self.height)
            want = side / self.anchors[a]
            y = F.one_hot(labels[t], self.classes).to(p.dtype)
            if self.region:
                box = box + number(s, "coord_scale", 1) * large * (
                    (inside - place).square().sum() + (raw[2:4] - want.log()).square().sum()) / 2
                goal = iou(pred, truth).detach() if s.get("rescore") == "1" else 1
                objectness = objectness + number(s, "object_scale", 1) * (o - goal) ** 2 / 2
                each = -p[labels[t]].log() if self.softmax else -(y * p.log() + (1 - y) * (1 - p).log()).sum()
                classes = classes + number(s, "class_scale", 1) * each
                continue
            factor = number(s, "iou_normalizer", 0.75)
            if s.get("iou_loss", "mse") == "mse":
                if self.new:
                    xy = (inside - place).square() / 2
                    wh = (raw[2:4] - (want / 4).sqrt()).square() / 2
                else:
                    # The loss whose gradient for the logit is what Darknet passes on: scaled sigmoid less the goal.
                    goal = (place + (self.scale - 1) / 2) / self.scale
                    q = raw[:2].sigmoid()
                    xy = -self.scale * (goal * q.log() + (1 - goal) * (1 - q).log())
                    wh = (raw[2:4] - want.log()).square() / 2
                box = box + factor * large * (xy.sum() + wh.sum())
            else:
                box = box + factor * (1 - overlap(pred, truth, s["iou_loss"]))
            objectness = objectness - number(s, "obj_normalizer", 1) * o.log()
            classes = classes - number(s, "cls_normalizer", 1) * (y * p.log() + (1 - y) * (1 - p).log()).sum()
        return box, objectness, classes


def iou(a, b):
    low, high = torch.maximum(a[:2], b[:2]), torch.minimum(a[2:], b[2:])
    common = (high - low).clamp(min=0).prod()
    return common / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - common)


def overlap(a, b, kind, eps=1e-7):
    low, high = torch.maximum(a[:2], b[:2]), torch.minimum(a[2:], b[2:])
    common = (high - low).clamp(min=0).prod()
    union = (a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - common
    i = common / (union + eps)
    around = torch.maximum(a[2:], b[2:]) - torch.minimum(a[:2], b[:2])
    if kind == "giou":
        return i - (around.prod() - union) / (around.prod() + eps)
    far = (a[:2] + a[2:] - b[:2] - b[2:]).square().sum() / 4 / (around.square().sum() + eps)
    ra, rb = ((box[2] - box[0]) / (box[3] - box[1] + eps) for box in (a, b))
    v = 4 / math.pi**2 * (rb.atan() - ra.atan()) ** 2
    alpha = (v / (1 - i + v + eps)).detach()
    return i - far - alpha * v


def objects(name, height, width, classes, count=9, pictures=2):
    """Boxes of many sizes, their labels and the pictures that they stand in."""
    u = uniform(f"{name}/boxes", (count, 4)).float().double()
    side = torch.exp(u[:, 2:] * 0.9) * torch.tensor([10.0, 9.0])
    middle = (u[:, :2] + 1) / 2 * torch.tensor([width - 1.0, height - 1.0])
    boxes = torch.cat([middle - side / 2, middle + side / 2], 1).float()
    boxes[-1] = boxes[-2] + 0.25  # two that fall to one cell
    labels = (torch.arange(count) * 7) % classes
    owner = (torch.arange(count) >= count // 3).long() * (pictures - 1)
    return boxes, labels, owner


def case(tensors, about, name, text):
    model = Net(text)
    for key, tensor in model.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            tensor.copy_(weight(key, tuple(tensor.shape)).float())
    model.double()
    height, width = int(model.net["height"]), int(model.net["width"])
    pixels = ((uniform(f"{name}/pixels", (2, 3, height, width)) + 1) / 2).float().double().requires_grad_()
    heads = lambda: [Head(s, x, height, width) for s, x in model.maps(pixels)]  # noqa: E731
    model.eval()
    with torch.no_grad():
        tensors[f"{name}/found"] = torch.cat([head.rows() for head in heads()], 1)
    model.train()
    boxes, labels, owner = objects(name, height, width, int(model.sections[-1]["classes"]))
    tensors.update({f"{name}/boxes": boxes, f"{name}/labels": labels, f"{name}/owner": owner})
    parts = [head.losses(boxes.double(), labels, owner) for head in heads()]
    losses = [sum(part[k] for part in parts) / 2 for k in range(3)]
    tensors[f"{name}/losses"] = torch.stack(losses)
    (losses[0] + 2 * losses[1] + 3 * losses[2]).backward()
    rows = [("pixels", pixels.grad)] + [(key, p.grad) for key, p in model.named_parameters()]
    about[name] = text
    about[f"{name}/gradients"] = json.dumps([key for key, _ in rows])
    tensors[f"{name}/gradients"] = torch.tensor(
        [[g.norm(), (g * uniform(key + "/probe", tuple(g.shape))).sum()] for key, g in rows], dtype=torch.float64)


def make(save):
    tensors, about = {}, {}
    for path in sorted((pathlib.Path(__file__).parents[1] / "darknet").glob("*.cfg")):
        case(tensors, about, path.stem, path.read_text())
    save("darknet", tensors, about)
