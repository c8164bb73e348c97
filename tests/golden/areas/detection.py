"""torchvision's detectors: names, shapes and counts of every preset; of small ones losses, gradients and what they find.

Weights and pixels are not kept (see vision.py). The samples that losses look at are large enough to hold everything, so
that chance has no say; what is found is found by doubles, since suppression turns over by a float's rounding.
"""
import importlib.util
import json
import math
import pathlib

import torch
import torchvision
from torch import nn
from torchvision.models import detection, mobilenetv3, resnet
from torchvision.models.detection import backbone_utils, rpn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNConvFCHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.keypoint_rcnn import KeypointRCNNHeads, KeypointRCNNPredictor
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads
from torchvision.models.detection.retinanet import RetinaNetHead
from torchvision.ops.feature_pyramid_network import LastLevelP6P7
from torchvision.ops.misc import FrozenBatchNorm2d

SOURCE = f"torchvision {torchvision.__version__.split('+')[0]}"
spec = importlib.util.spec_from_file_location("vision", pathlib.Path(__file__).with_name("vision.py"))
vision = importlib.util.module_from_spec(spec)
spec.loader.exec_module(vision)
uniform, fnv1a = vision.uniform, vision.fnv1a

EVERYTHING = dict(rpn_batch_size_per_image=100000, box_batch_size_per_image=4000, rpn_post_nms_top_n_train=40,
                  rpn_post_nms_top_n_test=40, rpn_pre_nms_top_n_train=200, rpn_pre_nms_top_n_test=200)
SETTINGS = """classes = 3
[rpn]
sampled = 100000
after_train = 40
after_test = 40
before_train = 200
before_test = 200
{rpn}
[roi]
sampled = 4000
hidden = 64
{roi}
[backbone]
{backbone}
[anchors]
sizes = [{anchors}]
"""
SIZES = [(96, 128), (90, 101)]


def presets():
    made = {name: getattr(detection, name) for name in (
        "fasterrcnn_resnet50_fpn", "fasterrcnn_resnet50_fpn_v2", "fasterrcnn_mobilenet_v3_large_fpn",
        "fasterrcnn_mobilenet_v3_large_320_fpn", "maskrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn_v2",
        "keypointrcnn_resnet50_fpn", "retinanet_resnet50_fpn", "retinanet_resnet50_fpn_v2")}

    def mobile(kind, **settings):
        features = backbone_utils._mobilenet_extractor(
            torchvision.models.mobilenet_v3_large(norm_layer=nn.BatchNorm2d), True, 6)
        anchors = AnchorGenerator(((32, 64, 128, 256, 512),) * 3, ((0.5, 1.0, 2.0),) * 3)
        return kind(features, rpn_anchor_generator=anchors, **settings)

    out = {name: lambda make=make: make(weights=None, weights_backbone=None) for name, make in made.items()}
    out["maskrcnn_mobilenet_v3_large_fpn"] = lambda: mobile(detection.MaskRCNN, num_classes=91)
    out["keypointrcnn_mobilenet_v3_large_fpn"] = lambda: mobile(detection.KeypointRCNN, num_classes=2)
    return out


def shapes():
    out = {}
    for name, make in presets().items():
        with torch.device("meta"):
            model = make()
        lines = sorted(f"{key} ({', '.join(map(str, value.shape))})\n" for key, value in model.state_dict().items())
        out[name] = {"parameters": sum(p.numel() for p in model.parameters()),
                     "shapes": f"{fnv1a(''.join(lines)):016x}", "source": SOURCE}
    pathlib.Path(__file__).parents[1].joinpath("detection.json").write_text(json.dumps(out, indent=1) + "\n")


def resnet_backbone(norm=nn.BatchNorm2d, **settings):
    body = resnet.ResNet(resnet.BasicBlock, [1, 1, 1, 1], norm_layer=norm)
    return backbone_utils._resnet_fpn_extractor(body, 5, **settings)


def anchors(sizes):
    return AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * len(sizes))


def targets(labels_from, dtype):
    boxes = [torch.tensor([[10.0, 12, 50, 60], [30, 20, 100, 90], [70, 5, 120, 40]]), torch.tensor([[5.0, 6, 60, 80]])]
    labels = [torch.tensor([0, 2, 1]), torch.tensor([1])]
    out = []
    for i, (b, l) in enumerate(zip(boxes, labels)):
        masks = torch.zeros(len(b), *(96, 128), dtype=torch.uint8)
        points = torch.zeros(len(b), 5, 3)
        for j, (x1, y1, x2, y2) in enumerate(b.int().tolist()):
            y, x = torch.meshgrid(torch.arange(96.0), torch.arange(128.0), indexing="ij")
            inside = ((x - (x1 + x2) / 2) / (x2 - x1) * 2) ** 2 + ((y - (y1 + y2) / 2) / (y2 - y1) * 2) ** 2 < 1
            masks[j][inside] = 1
            for k in range(5):
                share = 0.03 + 0.231 * k  # on no edge between two places of a map: floats would choose at random
                points[j, k] = torch.tensor([x1 + (x2 - x1) * share, y2 - (y2 - y1) * share, (k + j) % 3])
        out.append({"boxes": b.to(dtype), "labels": l + labels_from, "masks": masks, "keypoints": points})
    return out


def losses_of(model, pixels, truth):
    images = ImageList(pixels, SIZES)
    features = model.backbone(pixels)
    if isinstance(model, detection.RetinaNet):
        levels = list(features.values())
        return model.compute_loss(truth, model.head(levels), model.anchor_generator(images, levels))
    proposals, losses = model.rpn(images, features, truth)
    return {**losses, **model.roi_heads(features, proposals, SIZES, truth)[1]}


def find(model, pixels):
    images = ImageList(pixels, SIZES)
    features = model.backbone(pixels)
    if not isinstance(model, detection.RetinaNet):
        return model.roi_heads(features, model.rpn(images, features)[0], SIZES)[0]
    levels = list(features.values())
    outputs, anchors = model.head(levels), model.anchor_generator(images, levels)
    sizes = [x.size(2) * x.size(3) * outputs["cls_logits"].size(1) // sum(y.size(2) * y.size(3) for y in levels)
             for x in levels]
    split = {key: list(value.split(sizes, dim=1)) for key, value in outputs.items()}
    return model.postprocess_detections(split, [list(a.split(sizes)) for a in anchors], SIZES)


def case(tensors, about, name, model, preset, settings, conf):
    for key, tensor in model.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            value = vision.weight(key, tuple(tensor.shape)).float()
            # Deltas and logits of untrained heads are small; RetinaNet's first class never shows.
            if key.endswith(("bbox_pred.weight", "bbox_reg.weight")):
                value *= 0.1
            if key.endswith("cls_logits.bias") and "classification" in key:
                value.view(-1, 4)[:, 0] = -30
            tensor.copy_(value)
    model.double()
    pixels = (uniform("pixels", (2, 3, 96, 128)) * math.sqrt(3)).float().double()
    pixels[1, :, 90:] = 0
    pixels[1, :, :, 101:] = 0
    pixels.requires_grad_()
    about[name] = json.dumps({"preset": preset, "settings": settings, "source": SOURCE, "conf": conf})
    model.eval()
    with torch.no_grad():
        for i, found in enumerate(find(model, pixels)):
            keep = slice(0, 12)
            for key in ("boxes", "labels", "scores"):
                tensors[f"{name}/found/{i}/{key}"] = found[key][keep]
            tensors[f"{name}/found/{i}/count"] = torch.tensor(len(found["boxes"]))
            if "masks" in found:
                tensors[f"{name}/found/{i}/masks"] = found["masks"][:3, 0].float()
            if "keypoints" in found:
                points = found["keypoints"][keep].double()
                points[..., 2] = found["keypoints_scores"][keep].sigmoid()
                tensors[f"{name}/found/{i}/keypoints"] = points
    model.train()
    losses = losses_of(model, pixels, targets(1, torch.float64))
    assert all(loss.isfinite() for loss in losses.values()), losses
    about[f"{name}/losses"] = json.dumps(list(losses))
    tensors[f"{name}/losses"] = torch.stack([loss.detach().double() for loss in losses.values()])
    sum(losses.values()).backward()
    pixels.grad[1, :, 90:] = 0  # what lies outside a picture is no input
    pixels.grad[1, :, :, 101:] = 0
    rows = [("pixels", pixels.grad)] + [(k, p.grad) for k, p in model.named_parameters() if p.grad is not None]
    about[f"{name}/gradients"] = json.dumps([key for key, _ in rows])
    tensors[f"{name}/gradients"] = torch.tensor(
        [[g.norm(), (g * uniform(key + "/probe", tuple(g.shape))).sum()] for key, g in rows], dtype=torch.float64)
    print(name, {k: round(v.item(), 4) for k, v in losses.items()}, "found",
          [tensors[f"{name}/found/{i}/count"].item() for i in range(2)])


def levels_of_boxes(tensors):
    """Boxes of all sizes, each pooled from the level that fits."""
    features = {str(i): uniform(f"level{i}", (2, 2, 96 >> i, 128 >> i)).float() for i in range(4)}
    at = uniform("boxes", (40, 4))
    side = 2 ** (5.5 + 2.5 * at[:, 2:])
    boxes = torch.cat([(at[:, :2] + 1) * 60, (at[:, :2] + 1) * 60 + side], 1).float()
    pool = torchvision.ops.MultiScaleRoIAlign(list("0123"), 3, 2)
    tensors["levels"] = pool(features, [boxes[:25], boxes[25:]], [(384, 512)] * 2)


def heads(channels=32):
    return {"box_head": detection.faster_rcnn.TwoMLPHead(channels * 49, 64),
            "box_predictor": detection.faster_rcnn.FastRCNNPredictor(64, 4)}


def make(save):
    shapes()
    tensors, about = {}, {}
    levels_of_boxes(tensors)
    # The pyramid is 256 wide in torchvision's helpers; narrow ones are made by its parts.
    narrow = 32

    def pyramid(backbone, widths, **settings):
        backbone.fpn = torchvision.ops.FeaturePyramidNetwork(widths, narrow, **settings)
        backbone.out_channels = narrow
        return backbone

    pool = torchvision.ops.feature_pyramid_network.LastLevelMaxPool
    body = "layers = [1, 1, 1, 1]\nbottleneck = false\npyramid = 32"
    levels = ((16,), (32,), (64,), (128,), (256,))
    sizes = "16, 32, 64, 128, 256"
    widths = [64, 128, 256, 512]
    mean = dict(min_size=96, max_size=128, box_score_thresh=0.26, box_nms_thresh=0.5, box_detections_per_img=30)

    model = detection.FasterRCNN(pyramid(resnet_backbone(), widths, extra_blocks=pool()),
                                 rpn_anchor_generator=anchors(levels), **heads(), **EVERYTHING, **mean)
    case(tensors, about, "faster", model, "fasterrcnn_resnet50_fpn",
         SETTINGS.format(rpn="", roi="", backbone=body, anchors=sizes), 0.26)

    features = backbone_utils._mobilenet_extractor(mobilenetv3._mobilenet_v3(
        *mobilenetv3._mobilenet_v3_conf("mobilenet_v3_large", width_mult=0.5), None, False, norm_layer=nn.BatchNorm2d), True, 6)
    pyramid(features, [80, 480], extra_blocks=pool())
    model = detection.MaskRCNN(
        features, rpn_anchor_generator=anchors(((16, 32, 64),) * 3), **heads(), **EVERYTHING, **mean,
        mask_head=MaskRCNNHeads(narrow, (24,) * 4, 1), rpn_score_thresh=0.05,
        mask_predictor=detection.mask_rcnn.MaskRCNNPredictor(24, 24, 4))
    case(tensors, about, "mask_mobile", model, "maskrcnn_mobilenet_v3_large_fpn",
         SETTINGS.format(rpn="", roi="mask_channels = 24", backbone="width_multiplier = 0.5\npyramid = 32",
                         anchors="16, 32, 64"), 0.26)

    model = detection.MaskRCNN(
        pyramid(resnet_backbone(), widths, extra_blocks=pool(), norm_layer=nn.BatchNorm2d),
        rpn_anchor_generator=anchors(levels), rpn_head=rpn.RPNHead(narrow, 3, conv_depth=2), **EVERYTHING, **mean,
        box_head=FastRCNNConvFCHead((narrow, 7, 7), [narrow] * 4, [64], norm_layer=nn.BatchNorm2d),
        box_predictor=heads()["box_predictor"],
        mask_head=MaskRCNNHeads(narrow, (24,) * 4, 1, norm_layer=nn.BatchNorm2d),
        mask_predictor=detection.mask_rcnn.MaskRCNNPredictor(24, 24, 4))
    case(tensors, about, "mask_v2", model, "maskrcnn_resnet50_fpn_v2",
         SETTINGS.format(rpn="", roi="mask_channels = 24", backbone=body, anchors=sizes), 0.26)

    model = detection.KeypointRCNN(
        pyramid(resnet_backbone(FrozenBatchNorm2d), widths, extra_blocks=pool()),
        rpn_anchor_generator=anchors(levels), **heads(), **EVERYTHING, **mean,
        keypoint_head=KeypointRCNNHeads(narrow, (24,) * 8), keypoint_predictor=KeypointRCNNPredictor(24, 5))
    case(tensors, about, "keypoint", model, "keypointrcnn_resnet50_fpn",
         "keypoints = 5\n" + SETTINGS.format(rpn="", roi="point_channels = 24",
                                             backbone=body + "\nfrozen_norm = true", anchors=sizes), 0.26)

    grid = tuple((x, int(x * 2 ** (1 / 3)), int(x * 2 ** (2 / 3))) for x in (16, 32, 64, 128, 256))
    flat = ", ".join(str(x) for row in grid for x in row)
    plain = f"classes = 3\ncandidates = 100\n{{0}}\n[backbone]\n{body}\n[anchors]\nsizes = [{flat}]\n"
    for name, top, norm, preset in (("retina", narrow, None, "retinanet_resnet50_fpn"),
                                    ("retina_v2", 512, lambda c: nn.GroupNorm(32, c), "retinanet_resnet50_fpn_v2")):
        backbone = pyramid(resnet_backbone(returned_layers=[2, 3, 4]), widths[1:], extra_blocks=LastLevelP6P7(top, narrow))
        head = RetinaNetHead(narrow, 9, 4, norm_layer=norm)
        if norm:
            head.regression_head._loss_type = "giou"
        model = detection.RetinaNet(backbone, 4, anchor_generator=anchors(grid), head=head, score_thresh=0.5,
                                    topk_candidates=100, detections_per_img=30)
        case(tensors, about, name, model, preset, plain.format(""), 0.5)
    save("detection", tensors, about)
