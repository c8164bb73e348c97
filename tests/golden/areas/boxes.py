"""Boxes, suppression, regions and masks: torchvision's operators and ultralytics' bbox_iou on drawn boxes, with gradients."""
import math

import numpy as np
import torch
import torchvision
from torchvision import ops
from torchvision.models.detection.roi_heads import paste_masks_in_image
from ultralytics.utils.metrics import bbox_iou


def draw(count, size, dtype=torch.float32):
    corner = torch.rand(count, 2, dtype=dtype) * size * 0.8 - 2
    return torch.cat([corner, corner + torch.rand(count, 2, dtype=dtype) * size * 0.5 + 0.5], 1)


def overlaps(tensors):
    a, b = draw(40, 60, torch.float64), draw(40, 60, torch.float64)
    b[:20] = a[:20] + torch.randn(20, 4, dtype=torch.float64).abs()
    b[0] = a[0]
    tensors["a"], tensors["b"] = a, b
    tensors["clipped"] = ops.clip_boxes_to_image(a, (30, 40))
    tensors["iou"] = ops.box_iou(a, b[:25])
    for form in ("xywh", "cxcywh"):
        tensors[form] = ops.box_convert(a, "xyxy", form)
    weigh = torch.randn(40, dtype=torch.float64)
    tensors["weigh"] = weigh
    functions = {
        "giou": lambda a, b: 1 - ops.generalized_box_iou_loss(a, b),
        "diou": lambda a, b: 1 - ops.distance_box_iou_loss(a, b),
        "ciou": lambda a, b: 1 - ops.complete_box_iou_loss(a, b),
        "ultralytics_iou": lambda a, b: bbox_iou(a, b, xywh=False).squeeze(-1),
        "ultralytics_giou": lambda a, b: bbox_iou(a, b, xywh=False, GIoU=True).squeeze(-1),
        "ultralytics_diou": lambda a, b: bbox_iou(a, b, xywh=False, DIoU=True).squeeze(-1),
        "ultralytics_ciou": lambda a, b: bbox_iou(a, b, xywh=False, CIoU=True).squeeze(-1),
    }
    for name, function in functions.items():
        x, y = a.clone().requires_grad_(), b.clone().requires_grad_()
        out = function(x, y)
        (out * weigh).sum().backward()
        tensors[name], tensors[name + "/a"], tensors[name + "/b"] = out, x.grad, y.grad


def soft(boxes, scores, kind, iou=0.3, sigma=0.5, least=1e-3):
    """Bodla et al. 2017, figure 2."""
    boxes, scores, left, out = boxes.double().numpy(), scores.double().numpy().copy(), list(range(len(boxes))), []
    while left:
        best = max(left, key=lambda i: (scores[i], -i))
        left.remove(best)
        if scores[best] < least:
            break
        out.append((best, scores[best]))
        o = ops.box_iou(torch.tensor(boxes[best][None]), torch.tensor(boxes)).numpy()[0]
        for i in left:
            if kind == "gaussian":
                scores[i] *= math.exp(-o[i] ** 2 / sigma)
            elif o[i] > iou:
                scores[i] *= 1 - o[i]
    return np.array([i for i, _ in out]), np.array([s for _, s in out])


def suppression(tensors, about):
    boxes = draw(700, 100)
    boxes[100:130] = boxes[:30]  # ties in place
    scores = (torch.rand(700) * 50).round() / 50  # and in score
    classes = torch.randint(0, 5, (700,))
    tensors |= {"nms/boxes": boxes, "nms/scores": scores, "nms/classes": classes}
    for iou in (0.3, 0.5, 0.7):
        tensors[f"nms/{iou}"] = ops.nms(boxes, scores, iou)
        tensors[f"nms/class/{iou}"] = ops.batched_nms(boxes, scores, classes, iou)
    few = slice(0, 120)
    distinct = torch.rand(120, dtype=torch.float64)
    tensors["soft/scores"] = distinct
    for kind in ("linear", "gaussian"):
        places, lowered = soft(boxes[few], distinct, kind)
        tensors[f"soft/{kind}"], tensors[f"soft/{kind}/scores"] = torch.from_numpy(places), torch.from_numpy(lowered)


def regions(tensors, about):
    features = torch.randn(2, 3, 17, 23)
    boxes = torch.cat([torch.randint(0, 2, (40, 1)).float(), draw(40, 90)], 1)
    boxes[0, 1:] = torch.tensor([-300.0, -300, -200, -200])  # outside
    boxes[1, 1:] = torch.tensor([10.0, 10, 10, 10])  # no area
    boxes[2, 1:] = torch.tensor([-20.0, -10, 200, 150])  # more than all
    tensors |= {"roi/features": features, "roi/boxes": boxes}
    def case(name, function, shape):
        for dtype in (torch.float32, torch.float64):
            x = features.detach().clone().to(dtype).requires_grad_()
            out = function(x, boxes.to(dtype))
            weigh = torch.linspace(-1, 1, out.numel(), dtype=dtype).view_as(out)
            (out * weigh).sum().backward()
            if dtype is torch.float32:
                tensors[f"roi/{name}"], tensors[f"roi/{name}/gradient"] = out, x.grad
            else:  # of the exact ones a checksum each: values weighed, gradients weighed
                probe = torch.linspace(-1, 1, x.numel(), dtype=dtype).view_as(x)
                tensors[f"roi/{name}/exact"] = torch.stack([(out * weigh).sum(), (x.grad * probe).sum()])
    for aligned in (False, True):
        for samples in (0, 2):
            case(f"align/{samples}/{int(aligned)}", lambda x, b: ops.roi_align(x, b, (3, 4), 0.25, samples, aligned), (3, 4))
    case("pool", lambda x, b: ops.roi_pool(x, b, (3, 4), 0.25), (3, 4))


def masks(tensors, about):
    small = torch.rand(6, 28, 28)
    boxes = draw(6, 50)
    boxes[0] = torch.tensor([-30.0, -20, 100, 90])
    boxes[1] = torch.tensor([10.2, 10.7, 10.9, 11.4])
    boxes[2] = torch.tensor([200.0, 10, 240, 30])
    tensors |= {"paste/masks": small, "paste/boxes": boxes}
    tensors["paste/picture"] = paste_masks_in_image(small[:, None], boxes, (40, 53))[:, 0]
    scattered = torch.zeros(5, 20, 31, dtype=torch.uint8)
    for i in range(5):
        scattered[i, torch.randint(0, 20, (4,)), torch.randint(0, 31, (4,))] = 1
    tensors["find/masks"], tensors["find/boxes"] = scattered, ops.masks_to_boxes(scattered)


def make(save):
    tensors, about = {}, {"torchvision": torchvision.__version__.split("+")[0]}
    overlaps(tensors)
    suppression(tensors, about)
    regions(tensors, about)
    masks(tensors, about)
    save("boxes", tensors, about)
