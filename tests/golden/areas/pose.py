"""Models with heat maps: transformers' ViTPose, SimpleBaseline as the same net in PyTorch; decoding, crops, targets.

Weights and pixels are not kept (see vision.py); what is compared is computed in doubles.
"""
import importlib.util
import json
import math
import pathlib

import numpy as np
import torch
import torchvision
import transformers
from torch import nn
from transformers.models.vitpose.image_processing_vitpose import VitPoseImageProcessor, box_to_center_and_scale
from transformers.models.vitpose.modeling_vitpose import flip_back

spec = importlib.util.spec_from_file_location("vision", pathlib.Path(__file__).with_name("vision.py"))
vision = importlib.util.module_from_spec(spec)
spec.loader.exec_module(vision)
uniform, fnv1a = vision.uniform, vision.fnv1a

TRANSFORMERS = f"transformers {transformers.__version__}"
OWN = "tests/golden/areas/pose.py"


class Head(nn.Module):
    def __init__(self, width, deconv, keypoints):
        super().__init__()
        layers = []
        for following in deconv:
            layers += [nn.ConvTranspose2d(width, following, 4, 2, 1, bias=False), nn.BatchNorm2d(following), nn.ReLU()]
            width = following
        self.deconv_layers = nn.Sequential(*layers)
        self.final_layer = nn.Conv2d(width, keypoints, 1)

    def forward(self, x):
        return self.final_layer(self.deconv_layers(x))


class SimpleBaseline(nn.Module):
    """Xiao et al. 2018, section 2, under mmpose's names."""

    def __init__(self, block, layers, keypoints=17, deconv=(256, 256, 256)):
        super().__init__()
        self.backbone = torchvision.models.resnet.ResNet(block, layers)
        del self.backbone.fc
        self.head = Head(512 * block.expansion, deconv, keypoints)

    def forward(self, x):
        b = self.backbone
        x = b.maxpool(b.relu(b.bn1(b.conv1(x))))
        return self.head(b.layer4(b.layer3(b.layer2(b.layer1(x)))))


BASIC, BOTTLENECK = torchvision.models.resnet.BasicBlock, torchvision.models.resnet.Bottleneck
RESNETS = {18: (BASIC, [2, 2, 2, 2]), 34: (BASIC, [3, 4, 6, 3]), 50: (BOTTLENECK, [3, 4, 6, 3]),
           101: (BOTTLENECK, [3, 4, 23, 3]), 152: (BOTTLENECK, [3, 8, 36, 3])}
VITPOSES = {"s": (384, 12, 12), "b": (768, 12, 12), "l": (1024, 24, 16), "h": (1280, 32, 16)}


def vitpose(dim, depth, heads, size=(256, 192), patch=16, keypoints=17, simple=False, ratio=4):
    backbone = transformers.VitPoseBackboneConfig(
        image_size=list(size), patch_size=[patch, patch], hidden_size=dim, num_hidden_layers=depth,
        num_attention_heads=heads, mlp_ratio=ratio, out_indices=[depth])
    config = transformers.VitPoseConfig(backbone_config=backbone, num_labels=keypoints, use_simple_decoder=simple)
    return transformers.VitPoseForPoseEstimation(config)


def shapes():
    """ViTPose's names are not ours one by one (queries, keys and values are joined): only its size is compared."""
    out = {}
    for depth, (block, layers) in RESNETS.items():
        with torch.device("meta"):
            model = SimpleBaseline(block, layers)
        lines = sorted(f"{key} ({', '.join(map(str, value.shape))})\n" for key, value in model.state_dict().items())
        out[f"simplebaseline_resnet{depth}"] = {"parameters": sum(p.numel() for p in model.parameters()),
                                                "shapes": f"{fnv1a(''.join(lines)):016x}", "source": OWN}
    for size, settings in VITPOSES.items():
        with torch.device("meta"):
            model = vitpose(*settings)
        out[f"vitpose_{size}"] = {"parameters": sum(p.numel() for p in model.parameters()), "source": TRANSFORMERS}
    pathlib.Path(__file__).parents[1].joinpath("pose.json").write_text(json.dumps(out, indent=1) + "\n")


def gaussians(points, height, width, sigma):
    y, x = np.mgrid[:height, :width]
    maps = np.zeros((*points.shape[:2], height, width))
    for n, k in np.ndindex(*points.shape[:2]):
        px, py, weight = points[n, k].astype(np.float32)
        if weight > 0:
            near = (abs(x - px) <= 3 * sigma) & (abs(y - py) <= 3 * sigma)
            maps[n, k] = np.where(near, np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * sigma**2)), 0)
    return maps


def truth(name, count, keypoints, height, width):
    """Points about the map, of which the second of each object is not there."""
    share = (uniform(name, (count, keypoints, 2)).numpy() + 1) / 2
    points = np.concatenate([share * [width - 1, height - 1], np.ones((count, keypoints, 1))], 2)
    points[:, 1, 2] = 0
    return points.astype(np.float32)


def case(tensors, about, name, model, shape, preset, settings, source):
    def maps_of(pixels):
        out = model(pixels)
        return out if torch.is_tensor(out) else out.heatmaps

    keys = {key: list(value.shape) for key, value in model.state_dict().items()}
    vision.fill(model).double()
    pixels = (uniform("pixels", shape) * math.sqrt(3)).float().double().requires_grad_()
    about[name] = json.dumps({"preset": preset, "settings": settings, "input": list(shape), "source": source,
                              "weights": [[k, s] for k, s in keys.items() if not k.endswith("tracked")]})
    model.eval()
    with torch.no_grad():
        tensors[f"{name}/maps"] = maps_of(pixels)
    model.train()
    maps = maps_of(pixels)
    points = truth("points", *maps.shape)
    wanted = torch.from_numpy(gaussians(points, *maps.shape[2:], 1.5)).float().double()
    weights = torch.from_numpy(points[..., 2]).double()
    loss = (nn.functional.mse_loss(maps, wanted, reduction="none") * weights[..., None, None]).mean()
    loss.backward()
    tensors[f"{name}/loss"] = loss
    rows = [("pixels", pixels.grad)] + [(k, p.grad) for k, p in model.named_parameters()]
    about[f"{name}/gradients"] = json.dumps([key for key, _ in rows])
    tensors[f"{name}/gradients"] = torch.tensor(
        [[g.norm(), (g * uniform(key + "/probe", tuple(g.shape))).sum()] for key, g in rows], dtype=torch.float64)


def quarter(maps):
    """Xiao et al.'s get_final_preds: a quarter of a pixel towards the higher neighbour."""
    out = np.zeros((*maps.shape[:2], 3), np.float32)
    for n, k in np.ndindex(*maps.shape[:2]):
        m = maps[n, k]
        y, x = np.unravel_index(m.argmax(), m.shape)
        step = np.zeros(2)
        if 0 < x < m.shape[1] - 1 and 0 < y < m.shape[0] - 1:
            step = np.sign([m[y, x + 1] - m[y, x - 1], m[y + 1, x] - m[y - 1, x]]) * 0.25
        out[n, k] = x + step[0], y + step[1], m.max()
    return out


def decoding(tensors):
    """Bumps of several widths on a little noise, some at the edge."""
    height, width = 24, 18
    points = truth("bumps", 3, 5, height, width)
    points[..., 2] = 1
    points[0, 0, :2] = 0, 0
    points[0, 2, :2] = width - 1, 7.4
    maps = np.stack([gaussians(points[i:i + 1], height, width, s)[0] * h for i, (s, h) in enumerate(
        [(2, 1), (1.5, 0.6), (2.5, 0.3)])])
    maps = (maps + 0.01 * uniform("noise", maps.shape).numpy()).astype(np.float32)
    boxes = [[[12.5, 30, 40.25, 90], [100, 20.5, 80, 30]], [[-4, 7, 33, 44.5]]]
    processor = VitPoseImageProcessor(size={"height": 4 * height, "width": 4 * width})
    found = processor.post_process_pose_estimation(type("Maps", (), {"heatmaps": torch.from_numpy(maps)}), boxes=boxes)
    found = [person for picture in found for person in picture]
    tensors["decoding/maps"] = torch.from_numpy(maps)
    tensors["decoding/boxes"] = torch.tensor([box for picture in boxes for box in picture])
    tensors["decoding/keypoints"] = torch.stack([p["keypoints"].float() for p in found])
    tensors["decoding/scores"] = torch.stack([p["scores"] for p in found])
    tensors["decoding/quarter"] = torch.from_numpy(quarter(maps))
    tensors["decoding/mirrored"] = flip_back(torch.from_numpy(maps), torch.tensor([[1, 2], [3, 4]]))


def crops(tensors):
    image = ((uniform("picture", (70, 90, 3)).numpy() + 1) * 127).astype(np.uint8)
    smooth = np.asarray(torchvision.transforms.functional.gaussian_blur(
        torch.from_numpy(image).permute(2, 0, 1), 7).permute(1, 2, 0))
    boxes = [[[20.0, 15, 30, 40], [45, 10, 50, 20]]]
    processor = VitPoseImageProcessor(size={"height": 48, "width": 32})
    made = processor(smooth, boxes=boxes, do_normalize=False, do_rescale=False, return_tensors="pt")["pixel_values"]
    tensors["crops/picture"] = torch.from_numpy(smooth.copy())
    tensors["crops/boxes"] = torch.tensor(boxes[0])
    tensors["crops/made"] = made.to(torch.uint8)
    for box in boxes[0]:
        box_to_center_and_scale(box, 32, 48)


def make(save):
    shapes()
    tensors, about = {}, {}
    case(tensors, about, "simplebaseline", SimpleBaseline(BASIC, [1, 1, 1, 1], 5, (24, 16, 12)), (3, 3, 64, 96),
         "simplebaseline_resnet18",
         "keypoints = 5\nheight = 64\nwidth = 96\nlayers = [1, 1, 1, 1]\ndeconv = [24, 16, 12]", OWN)
    case(tensors, about, "simplebaseline_bottleneck", SimpleBaseline(BOTTLENECK, [1, 1, 1, 1], 4), (2, 3, 64, 64),
         "simplebaseline_resnet50", "keypoints = 4\nheight = 64\nwidth = 64\nlayers = [1, 1, 1, 1]", OWN)
    settings = "keypoints = 5\nheight = 64\nwidth = 48\npatch = 16\ndim = 32\ndepth = 2\nheads = 4\nmlp = 64\n"
    for name, simple in (("vitpose", False), ("vitpose_simple", True)):
        model = vitpose(32, 2, 4, (64, 48), keypoints=5, simple=simple, ratio=2)
        case(tensors, about, name, model, (3, 3, 64, 48), "vitpose_b",
             settings + f'decoder = "{"simple" if simple else "classic"}"', TRANSFORMERS)
        if simple:
            about["vitpose_simple/config"] = json.dumps(model.config.to_diff_dict())
    points = truth("targets", 2, 3, 12, 9)
    tensors["targets/points"] = torch.from_numpy(points)
    tensors["targets/maps"] = torch.from_numpy(gaussians(points, 12, 9, 2)).float()
    decoding(tensors)
    crops(tensors)
    save("pose", tensors, about)
