"""Forecasters: outputs and gradients of Hugging Face's PatchTST, and of DLinear, iTransformer and the published PatchTST
setting written plainly here."""
import json
import math
import pathlib

import torch
import torch.nn.functional as F
import transformers
from torch import nn


class DLinear(nn.Module):
    def __init__(self, channels, length, horizon, kernel, individual):
        super().__init__()
        self.kernel = kernel
        make = (lambda: nn.ModuleList(nn.Linear(length, horizon) for _ in range(channels))) if individual else (
            lambda: nn.Linear(length, horizon))
        self.Linear_Seasonal, self.Linear_Trend = make(), make()

    @staticmethod
    def apply(layer, x):
        if isinstance(layer, nn.Linear):
            return layer(x)
        return torch.stack([one(x[:, i]) for i, one in enumerate(layer)], 1)

    def forward(self, x):
        trend = F.avg_pool1d(F.pad(x, (self.kernel // 2,) * 2, mode="replicate"), self.kernel, 1)
        return self.apply(self.Linear_Seasonal, x - trend) + self.apply(self.Linear_Trend, trend)


def plain_layers(dim, depth, heads, mlp):
    return nn.ModuleList(nn.TransformerEncoderLayer(dim, heads, mlp, 0.0, "gelu", batch_first=True) for _ in range(depth))


class ITransformer(nn.Module):
    """Liu et al. 2024: a channel's whole history is one token; so is each calendar feature's."""

    def __init__(self, length, horizon, dim, depth, heads, mlp):
        super().__init__()
        self.embedding = nn.Linear(length, dim)
        self.layers = plain_layers(dim, depth, heads, mlp)
        self.norm = nn.LayerNorm(dim)
        self.projection = nn.Linear(dim, horizon)

    def forward(self, x, calendar):
        channels = x.shape[1]
        mean = x.mean(2, keepdim=True).detach()
        scale = (x.var(2, keepdim=True, unbiased=False) + 1e-5).sqrt().detach()
        tokens = self.embedding(torch.cat([(x - mean) / scale, calendar], 1))
        for layer in self.layers:
            tokens = layer(tokens)
        return self.projection(self.norm(tokens)[:, :channels]) * scale + mean


class StepEncoder(nn.Module):
    """A time step with all its channels and its calendar is a token; the forecast comes from the last ones."""

    def __init__(self, channels, features, length, horizon, dim, depth, heads, mlp, last):
        super().__init__()
        self.last = last
        self.embedding = nn.Linear(channels + features, dim)
        self.positions = nn.Parameter(torch.randn(length, dim) * 0.02)
        self.layers = plain_layers(dim, depth, heads, mlp)
        self.projection = nn.Linear(dim * last, channels * horizon)

    def forward(self, x, calendar):
        mean = x.mean(2, keepdim=True).detach()
        scale = (x.var(2, keepdim=True, unbiased=False) + 1e-5).sqrt().detach()
        tokens = self.embedding(torch.cat([(x - mean) / scale, calendar], 1).transpose(1, 2)) + self.positions
        for layer in self.layers:
            tokens = layer(tokens)
        return self.projection(tokens[:, -self.last:].flatten(1)).view(*x.shape[:2], -1) * scale + mean


class SeriesClassifier(nn.Module):
    """Patches of all channels together are tokens; a class comes from their mean."""

    def __init__(self, channels, length, classes, patch, stride, dim, depth, heads, mlp):
        super().__init__()
        self.patch, self.stride = patch, stride
        self.embedding = nn.Linear(channels * patch, dim)
        self.positions = nn.Parameter(torch.randn((length - patch) // stride + 1, dim) * 0.02)
        self.layers = plain_layers(dim, depth, heads, mlp)
        self.head = nn.Linear(dim, classes)

    def forward(self, x):
        patches = x.unfold(2, self.patch, self.stride)  # (B, C, P, patch)
        tokens = self.embedding(patches.transpose(1, 2).flatten(2)) + self.positions
        for layer in self.layers:
            tokens = layer(tokens)
        return self.head(tokens.mean(1))


class PublishedPatchTst(nn.Module):
    """The encoder setting of the published ETTh runs: end padding, BatchNorm behind each half, residual attention."""

    def __init__(self, length, horizon, patch, stride, dim, depth, heads, mlp):
        super().__init__()
        self.patch, self.stride, self.heads = patch, stride, heads
        count = (length - patch) // stride + 2
        self.embed = nn.Linear(patch, dim)
        self.position = nn.Parameter(torch.empty(count, dim).uniform_(-0.02, 0.02))
        self.layers = nn.ModuleList(nn.ModuleDict({
            "q": nn.Linear(dim, dim), "k": nn.Linear(dim, dim), "v": nn.Linear(dim, dim), "out": nn.Linear(dim, dim),
            "norm1": nn.BatchNorm1d(dim), "up": nn.Linear(dim, mlp), "down": nn.Linear(mlp, dim),
            "norm2": nn.BatchNorm1d(dim)}) for _ in range(depth))
        self.head = nn.Linear(dim * count, horizon)

    def forward(self, x):
        batch, channels, _ = x.shape
        mean, scale = x.mean(2, keepdim=True), (x.var(2, keepdim=True, unbiased=False) + 1e-5).sqrt()
        mean, scale = mean.detach(), scale.detach()
        z = F.pad((x - mean) / scale, (0, self.stride), mode="replicate").unfold(2, self.patch, self.stride)
        z = self.embed(z.flatten(0, 1)) + self.position
        scores = 0
        for layer in self.layers:
            q, k, v = (layer[name](z).unflatten(2, (self.heads, -1)).transpose(1, 2) for name in "qkv")
            scores = q @ k.transpose(2, 3) / math.sqrt(q.shape[3]) + scores
            z = z + layer["out"]((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))
            z = layer["norm1"](z.transpose(1, 2)).transpose(1, 2)
            z = z + layer["down"](F.gelu(layer["up"](z)))
            z = layer["norm2"](z.transpose(1, 2)).transpose(1, 2)
        return self.head(z.flatten(1)).unflatten(0, (batch, channels)) * scale + mean


def hugging_face(**more):
    config = transformers.PatchTSTConfig(
        num_input_channels=3, context_length=44, prediction_length=10, patch_length=8, patch_stride=4, d_model=16,
        num_hidden_layers=2, num_attention_heads=4, ffn_dim=32, attention_dropout=0.0, positional_dropout=0.0,
        path_dropout=0.0, ff_dropout=0.0, head_dropout=0.0, use_cls_token=False, scaling="std", loss="mse",
        pooling_type=None, **more)
    return transformers.PatchTSTForPrediction(config)


def wake(model):
    """Norms and biases that do something."""
    for name, tensor in model.state_dict().items():
        if "num_batches" in name:
            continue
        if "running_var" in name:
            tensor.uniform_(0.5, 1.5)
        elif tensor.dim() == 1:
            tensor.add_(torch.randn_like(tensor) * 0.2)
    return model


# Names of the plain models here -> those of Hadal's.
PUBLISHED = {"embed": "model.encoder.embedder.input_embedding", "head": "head.projection", "q": "self_attn.q_proj",
             "k": "self_attn.k_proj", "v": "self_attn.v_proj", "out": "self_attn.out_proj",
             "norm1": "norm_sublayer1.batchnorm", "up": "ff.0", "down": "ff.3", "norm2": "norm_sublayer3.batchnorm"}


def published_name(name):
    if name == "position":
        return "model.encoder.positional_encoder.position_enc"
    if name.startswith("layers."):
        _, index, part, rest = name.split(".", 3)
        return f"model.encoder.layers.{index}.{PUBLISHED[part]}.{rest}"
    part, rest = name.split(".", 1)
    return f"{PUBLISHED[part]}.{rest}"


def own(name, tensor, name_of):
    """A weight under its names in Hadal, where q, k and v are three layers."""
    if "self_attn.in_proj_" in name:
        return [(name.replace("in_proj_", part + "_proj."), piece) for part, piece in zip("qkv", tensor.chunk(3))]
    return [(name_of(name), tensor)]


def put(tensors, case, model, run, x, extra=None, name_of=lambda name: name, eval_too=False):
    """Weights, input, output and the gradients of every weight for a fixed random output gradient."""
    for name, tensor in model.state_dict().items():
        if "num_batches" not in name:
            for key, piece in own(name, tensor, name_of):
                tensors[f"{case}/weights/{key}"] = piece.clone()  # training moves the running statistics
    tensors[f"{case}/input"] = x
    if extra is not None:
        tensors[f"{case}/calendar"] = extra
    if eval_too:
        model.eval()
        tensors[f"{case}/eval_output"] = run(x)
    model.train()
    y = run(x)
    dy = torch.randn(y.shape)
    tensors[f"{case}/output"], tensors[f"{case}/dy"] = y, dy
    y.backward(dy)
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            for key, piece in own(name, parameter.grad, name_of):
                tensors[f"{case}/gradients/{key}"] = piece


def make(save):
    tensors = {}
    x = torch.randn(4, 3, 44).cumsum(2) * 0.3
    for case, individual in (("dlinear", False), ("dlinear_individual", True)):
        model = DLinear(3, 44, 10, 25, individual)
        put(tensors, case, model, model, x)
    with torch.no_grad():
        models = {
            "patchtst_batch": wake(hugging_face(norm_type="batchnorm", pre_norm=False, positional_encoding_type="random")),
            "patchtst_layer": wake(hugging_face(norm_type="layernorm", pre_norm=True, positional_encoding_type="sincos")),
            "patchtst_published": wake(PublishedPatchTst(44, 10, 8, 4, 16, 2, 4, 32)),
            "itransformer": wake(ITransformer(44, 10, 16, 2, 4, 32)),
        }

    def prediction(model):
        def run(x):
            out = model(past_values=x.transpose(1, 2))
            return (out.prediction_outputs * 1).transpose(1, 2)
        return run

    for case in ("patchtst_batch", "patchtst_layer"):
        put(tensors, case, models[case], prediction(models[case]), x, eval_too=True)
    put(tensors, "patchtst_published", models["patchtst_published"], models["patchtst_published"], x,
        name_of=published_name, eval_too=True)
    calendar = torch.rand(4, 5, 44) - 0.5
    model = models["itransformer"]

    def name_of(name):
        if name.startswith("layers."):
            for old, new in (("linear1", "ff.0"), ("linear2", "ff.3"), ("norm1", "norm_sublayer1"),
                             ("norm2", "norm_sublayer3")):
                name = name.replace(old, new)
        return name

    put(tensors, "itransformer", model, lambda x: model(x, calendar), x, calendar, name_of)
    with torch.no_grad():
        steps = wake(StepEncoder(3, 5, 44, 10, 16, 2, 4, 32, 4))
        classifier_model = wake(SeriesClassifier(3, 44, 6, 4, 2, 16, 2, 4, 32))
    put(tensors, "encoder", steps, lambda x: steps(x, calendar), x, calendar, name_of)
    put(tensors, "series_classifier", classifier_model, classifier_model, x, name_of=name_of)
    save("forecast", tensors, {"reference": f"transformers {transformers.__version__}"})

    # Parameters of the defaults for 7 channels, 336 steps seen and 96 forecast.
    def plain_encoder(dim=64, depth=2, mlp=128):
        layers = depth * (4 * dim * (dim + 1) + 2 * dim * mlp + mlp + dim + 4 * dim)
        return (7 + 5) * dim + dim + 336 * dim + layers + 16 * dim * 7 * 96 + 7 * 96

    def classifier(channels=40, length=64, classes=10, patch=4, stride=2, dim=64, depth=3, mlp=128):
        layers = depth * (4 * dim * (dim + 1) + 2 * dim * mlp + mlp + dim + 4 * dim)
        patches = (length - patch) // stride + 1
        return channels * patch * dim + dim + patches * dim + layers + dim * classes + classes

    def count(model):
        return sum(parameter.numel() for parameter in model.parameters())

    here = "tests/golden/areas/forecast.py"
    known = {"dlinear": (count(DLinear(7, 336, 96, 25, False)), here),
             "patchtst": (count(PublishedPatchTst(336, 96, 16, 8, 16, 3, 4, 128)), f"transformers {transformers.__version__}"),
             "itransformer": (count(ITransformer(336, 96, 256, 2, 8, 256)), here),
             "encoder": (plain_encoder(), here),
             # For 40 channels of 64 steps and 10 classes.
             "series_classifier": (classifier(), here)}
    path = pathlib.Path(__file__).parent.parent / "forecast.json"
    path.write_text(json.dumps({name: {"parameters": parameters, "source": source}
                                for name, (parameters, source) in known.items()}, indent=1) + "\n")
