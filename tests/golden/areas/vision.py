"""Image classifiers: outputs and gradients of torchvision, timm and Hugging Face, shapes and first weights of every preset.

Weights and inputs are not kept: a hash of a tensor's name gives its values, here and in tests/models/hash_weights.h.
"""
import json
import math
import pathlib

import numpy as np
import timm
import torch
import torch.nn.functional as F
import torchvision
import transformers
from torch import nn
from torchvision.models import vision_transformer

SOURCE = f"torchvision {torchvision.__version__.split('+')[0]}"


def fnv1a(text):
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def uniform(name, shape):
    """SplitMix64 of the name's hash and the index, as multiples of 2^-23 in [-1, 1)."""
    count = math.prod(shape)
    with np.errstate(over="ignore"):
        x = np.uint64(fnv1a(name)) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x ^= x >> np.uint64(31)
    return torch.from_numpy((x >> np.uint64(40)).astype(np.float64) / 2**23 - 1).reshape(shape)


def weight(name, shape):
    """Values that keep activations near 1: matrices by their fan-in, norms around 1, biases around 0."""
    value = uniform(name, shape)
    if name.endswith("running_var"):
        return 1 + 0.5 * value
    if len(shape) >= 2:
        return value * (0.5 if shape[0] == 1 else math.sqrt(3 * shape[0] / math.prod(shape)))
    norm = name.endswith("weight")
    return 1 + 0.2 * value if norm else 0.1 * value


def fill(module):
    for name, tensor in module.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            tensor.copy_(weight(name, tuple(tensor.shape)).float())
    return module


class Mlp(nn.Module):
    def __init__(self, classes=10, channels=1, image=28, hidden=(512, 256)):
        super().__init__()
        layers, width = [], channels * image * image
        for following in hidden:
            layers += [nn.Linear(width, following), nn.ReLU(), nn.Dropout(0)]
            width = following
        self.hidden = nn.Sequential(*layers)
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        return self.head(self.hidden(x.flatten(1)))


class Cnn(nn.Module):
    def __init__(self, classes=10, channels=1, widths=(32, 64, 128)):
        super().__init__()
        layers, width = [], channels
        for following in widths:
            layers += [nn.MaxPool2d(2)] if layers else []
            layers += [nn.Conv2d(width, following, 3, padding=1, bias=False), nn.BatchNorm2d(following), nn.ReLU()]
            width = following
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))


class CifarBlock(nn.Module):
    def __init__(self, before, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.changes = stride != 1 or before != width

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.changes:
            pad = y.shape[1] // 4
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, pad, pad))
        return F.relu(y + x)


class CifarResNet(nn.Module):
    """He et al. 2015, section 4.2, shortcut A; names and initialisation of akamaster's pytorch_resnet_cifar10."""

    def __init__(self, depth=20, classes=10, channels=3):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        blocks, width = (depth - 2) // 6, 16
        for stage in range(3):
            layers = []
            for i in range(blocks):
                layers.append(CifarBlock(width, 16 << stage, 2 if stage and not i else 1))
                width = 16 << stage
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layers))
        self.linear = nn.Linear(64, classes)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean((2, 3)))


VIT = {"t": (12, 3, 192, 768), "s": (12, 6, 384, 1536), "b": (12, 12, 768, 3072), "l": (24, 16, 1024, 4096),
       "h": (32, 16, 1280, 5120)}
TIMM = {"vit_t_16": "vit_tiny_patch16_224", "vit_s_16": "vit_small_patch16_224", "vit_s_32": "vit_small_patch32_224",
        "vit_l_14": "vit_large_patch14_224"}


def vit(size, patch, **settings):
    depth, heads, dim, mlp = VIT[size]
    return vision_transformer.VisionTransformer(224, patch, depth, heads, dim, mlp, **settings)


def presets():
    """Name -> (maker, source) of every preset."""
    made = {"mlp": (Mlp, "tests/golden/areas/vision.py"), "cnn": (Cnn, "tests/golden/areas/vision.py")}
    for name in ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"):
        made[name] = (getattr(torchvision.models, name), SOURCE)
    for name in ("mobilenet_v3_large", "mobilenet_v3_small"):
        made[name] = (getattr(torchvision.models, name), SOURCE)
    for depth in (20, 32, 44, 56):
        made[f"resnet{depth}-cifar"] = (lambda depth=depth: CifarResNet(depth), "tests/golden/areas/vision.py")
    made["vit"] = (lambda: vision_transformer.VisionTransformer(32, 4, 6, 4, 128, 256, num_classes=10), SOURCE)
    for size, patch in [(s, p) for p in (14, 16, 32) for s in "tsbl"] + [("h", 14)]:
        name = f"vit_{size}_{patch}"
        own = getattr(torchvision.models, name, None)
        made[name] = (own or (lambda size=size, patch=patch: vit(size, patch)), SOURCE)
    return made


def shapes():
    """Parameter count and a hash of sorted `name (shape)` lines of each preset, built without memory."""
    out = {}
    for name, (make, source) in presets().items():
        with torch.device("meta"):
            model = make()
            parameters = sum(p.numel() for p in model.parameters())
            if name in TIMM:
                assert parameters == sum(p.numel() for p in timm.create_model(TIMM[name]).parameters()), name
        lines = sorted(f"{key} ({', '.join(map(str, value.shape))})\n" for key, value in model.state_dict().items())
        out[name] = {"parameters": parameters, "shapes": f"{fnv1a(''.join(lines)):016x}", "source": source}
    pathlib.Path(__file__).parents[1].joinpath("vision.json").write_text(json.dumps(out, indent=1) + "\n")


def case(tensors, about, name, model, shape, preset, settings="", gradients=True, source=SOURCE, names=str):
    """Logits in eval mode; logits and gradients in training mode, of a loss that weighs the logits by a hash. Weights
    and pixels are floats, what is computed from them doubles: a rectifier's gradient may turn over by a float's rounding."""
    def logits_of(pixels):
        out = model(pixels)
        return out if torch.is_tensor(out) else out.logits  # Hugging Face wraps them

    keys = {key: list(value.shape) for key, value in model.state_dict().items()}
    for key, tensor in model.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            tensor.copy_(weight(names(key), tuple(tensor.shape)).float())
    model.double()
    pixels = (uniform("pixels", shape) * math.sqrt(3)).float().double().requires_grad_(gradients)
    model.eval()
    with torch.no_grad():
        tensors[f"{name}/logits"] = logits_of(pixels)
    about[name] = json.dumps({"preset": preset, "settings": settings, "input": list(shape), "source": source,
                              "weights": [[names(k), s] for k, s in keys.items() if not k.endswith("tracked")]})
    if not gradients:
        return
    model.train()
    logits = logits_of(pixels)
    (logits * uniform("target", tuple(logits.shape)).float()).sum().backward()
    tensors[f"{name}/train_logits"] = logits
    rows = [("pixels", pixels.grad)] + [(names(k), p.grad) for k, p in model.named_parameters()]
    about[f"{name}/gradients"] = json.dumps([key for key, _ in rows])
    tensors[f"{name}/gradients"] = torch.tensor(
        [[g.norm(), (g * uniform(key + "/probe", tuple(g.shape))).sum()] for key, g in rows], dtype=torch.float64)


def first_weights(tensors, about):
    """Mean, standard deviation and mean absolute value of freshly made parameters, as the initialisation is random."""
    makers = {"resnet18": torchvision.models.resnet18, "resnet20-cifar": CifarResNet, "mlp": Mlp, "cnn": Cnn,
              "vit_s_16": lambda: vit("s", 16)}
    for name, make in makers.items():
        rows = [(key, p.detach().double()) for key, p in make().named_parameters() if p.numel() >= 64]
        about[f"{name}/init"] = json.dumps([key for key, _ in rows])
        tensors[f"{name}/init"] = torch.tensor(
            [[p.mean(), p.std(), p.abs().mean()] for _, p in rows], dtype=torch.float32)


def make(save):
    shapes()
    tensors, about = {}, {}
    first_weights(tensors, about)
    models = torchvision.models
    own = "tests/golden/areas/vision.py"
    case(tensors, about, "mlp", Mlp(7, 3, 8, (20, 12)), (3, 3, 8, 8), "mlp",
         "classes = 7\nchannels = 3\nimage = 8\nhidden = [20, 12]", source=own)
    case(tensors, about, "cnn", Cnn(), (4, 1, 28, 28), "cnn", source=own)
    case(tensors, about, "resnet18", models.resnet18(), (4, 3, 64, 64), "resnet18")
    case(tensors, about, "resnet50", models.resnet50(), (2, 3, 96, 96), "resnet50")
    for name in ("mobilenet_v3_large", "mobilenet_v3_small"):
        case(tensors, about, name, getattr(models, name)(num_classes=10, dropout=0.0), (3, 3, 64, 96), name,
             "classes = 10\ndropout = 0")
    case(tensors, about, "resnet20-cifar", CifarResNet(), (4, 3, 32, 32), "resnet20-cifar", source=own)
    case(tensors, about, "vit_b_16", models.vit_b_16(), (1, 3, 224, 224), "vit_b_16")
    case(tensors, about, "vit_l_32", models.vit_l_32(), (1, 3, 224, 224), "vit_l_32", gradients=False)
    case(tensors, about, "timm", timm.create_model("vit_tiny_patch16_224"), (2, 3, 224, 224), "vit_t_16",
         source=f"timm {timm.__version__}")
    config = transformers.ViTConfig(hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=96,
                                    image_size=32, patch_size=8, num_labels=7, attn_implementation="sdpa")
    settings = "classes = 7\nimage = 32\npatch = 8\ndim = 64\ndepth = 2\nheads = 4\nmlp = 96\nnorm_eps = 1e-12"
    for name, names in (("huggingface", str), ("huggingface_file", file_name)):
        case(tensors, about, name, transformers.ViTForImageClassification(config), (2, 3, 32, 32), "vit",
             settings, source=f"transformers {transformers.__version__}", names=names)
    save("vision", tensors, about)


def file_name(key):
    """What transformers 5 writes into files: the names that its modules had before."""
    for now, then in (("vit.layers.", "vit.encoder.layer."), ("q_proj", "attention.query"), ("k_proj", "attention.key"),
                      ("v_proj", "attention.value"), ("o_proj", "output.dense"), ("mlp.fc1", "intermediate.dense"),
                      ("mlp.fc2", "output.dense")):
        key = key.replace(now, then)
    return key
