"""Networks that see noise: small whole ones of diffusers, outputs and gradients in doubles, weights from hashes."""
import json
import pathlib
import sys

import torch
import torch.nn.functional as F
from diffusers import DiTTransformer2DModel, UNet2DModel
from diffusers.models import embeddings
from torch import nn

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from generative import Golden, fill, noise, value  # noqa: E402


def waves(times, dim, flip_sin_to_cos=False, downscale_freq_shift=1.0, scale=1.0, max_period=10000):
    """diffusers' get_timestep_embedding, which is in floats, in doubles."""
    angle = scale * times.double()[:, None] * max_period ** (-torch.arange(dim // 2).double() / (dim // 2 - downscale_freq_shift))
    parts = [angle.sin(), angle.cos()]
    return torch.cat(parts[::-1] if flip_sin_to_cos else parts, 1)


embeddings.get_timestep_embedding = waves


def put(golden, name, preset, settings, model, run, shape, classes, extra=None):
    fill(model)
    x = value("x", *shape).requires_grad_()
    out = run(model, x, torch.tensor([0.25, 7.0, 403.0][:shape[0]]), torch.tensor([2, 0, classes][:shape[0]]))
    (out * value("target", *out.shape)).sum().backward()
    golden.put(f"{name}/out", out)
    golden.gradients(f"{name}/gradients", model, x=x)
    golden.about[name] = json.dumps({"preset": preset, "settings": settings, "shape": list(shape), "classes": classes,
                                     "weights": {key: list(tensor.shape) for key, tensor in model.state_dict().items()}})


def unet(levels, attention, **settings):
    return UNet2DModel(down_block_types=["AttnDownBlock2D" if i in attention else "DownBlock2D" for i in range(levels)],
                       up_block_types=["AttnUpBlock2D" if i in attention else "UpBlock2D" for i in reversed(range(levels))],
                       **settings)


def unets(golden):
    def run(model, x, time, labels):
        return model(x, time, labels if model.class_embedding is not None else None).sample

    put(golden, "unet", "unet", "channels = 2\nimage = 8\nclasses = 3\nwidths = [8, 16]\nattention = [1]\nhead_dim = 4\ngroups = 4",
        unet(2, (1,), in_channels=2, out_channels=2, block_out_channels=(8, 16), layers_per_block=1, attention_head_dim=4,
             norm_num_groups=4, num_class_embeds=4), run, (3, 2, 8, 8), 3)
    put(golden, "unet_scaled", "unet",
        "image = 12\nwidths = [6, 12, 6]\nblocks = 2\nattention = [0, 2]\nhead_dim = 0\ngroups = 3\neps = 1e-6\nscaled = true\n"
        "down_padding = 0\ncosines_first = false\nfrequency_shift = 1\ntime_dim = 10",
        unet(3, (0, 2), in_channels=1, out_channels=1, block_out_channels=(6, 12, 6), layers_per_block=2, attention_head_dim=None,
             norm_num_groups=3, attn_norm_num_groups=3, norm_eps=1e-6, resnet_time_scale_shift="scale_shift", downsample_padding=0,
             flip_sin_to_cos=False, freq_shift=1, time_embedding_dim=10), run, (2, 1, 12, 12), 0)
    put(golden, "unet_plain", "unet",
        "image = 8\nwidths = [8, 16]\nmiddle_attention = false\ngroups = 4\nhead_dim = 0\ndropout = 0.3",
        unet(2, (), in_channels=1, out_channels=1, block_out_channels=(8, 16), layers_per_block=1, add_attention=False,
             norm_num_groups=4, dropout=0.3).eval(), run, (2, 1, 8, 8), 0)


class Residual(nn.Module):
    def __init__(self, i, o, t):
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(8, i), nn.Conv2d(i, o, 3, padding=1)
        self.time_emb_proj = nn.Linear(t, o)
        self.norm2, self.conv2 = nn.GroupNorm(8, o), nn.Conv2d(o, o, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(i, o, 1) if i != o else None

    def forward(self, x, t):
        h = self.conv1(F.silu(self.norm1(x))) + self.time_emb_proj(F.silu(t))[:, :, None, None]
        return self.conv2(F.silu(self.norm2(h))) + (self.conv_shortcut(x) if self.conv_shortcut else x)


class Level(nn.Module):
    def __init__(self, i, o, t):
        super().__init__()
        self.resnets = nn.ModuleList([Residual(i, o, t)])

    def forward(self, x, t):
        return self.resnets[0](x, t)


class PlainUnet(nn.Module):
    """The net of the speed table's unet-train: a block a size, means and copies between sizes, time given as it is."""

    def __init__(self, c, t):
        super().__init__()
        self.conv_in = nn.Conv2d(1, c, 3, padding=1)
        self.down_blocks = nn.ModuleList([Level(c, c, t), Level(c, 2 * c, t), Level(2 * c, 4 * c, t)])
        self.mid_block = Level(4 * c, 4 * c, t)
        self.up_blocks = nn.ModuleList([Level(8 * c, 2 * c, t), Level(4 * c, c, t), Level(2 * c, c, t)])
        self.conv_out = nn.Conv2d(c, 1, 3, padding=1)

    def forward(self, x, t):
        h1 = self.down_blocks[0](self.conv_in(x), t)
        h2 = self.down_blocks[1](F.avg_pool2d(h1, 2), t)
        h3 = self.down_blocks[2](F.avg_pool2d(h2, 2), t)
        u = self.up_blocks[0](torch.cat([self.mid_block(h3, t), h3], 1), t)
        u = self.up_blocks[1](torch.cat([F.interpolate(u, scale_factor=2.0), h2], 1), t)
        u = self.up_blocks[2](torch.cat([F.interpolate(u, scale_factor=2.0), h1], 1), t)
        return self.conv_out(u)


def dits(golden):
    def run(model, x, time, labels):
        return model.eval()(x, time, labels).sample[:, :x.shape[1]]

    put(golden, "dit", "dit", "channels = 2\nimage = 6\nclasses = 3\ndim = 12\ndepth = 2\nheads = 3\nshared = false",
        DiTTransformer2DModel(num_attention_heads=3, attention_head_dim=4, in_channels=2, num_layers=2, sample_size=6,
                              num_embeds_ada_norm=3), run, (3, 2, 6, 6), 3)
    model = DiTTransformer2DModel(num_attention_heads=2, attention_head_dim=4, in_channels=1, out_channels=2, num_layers=1,
                                  patch_size=3, sample_size=6, num_embeds_ada_norm=4)
    put(golden, "dit_out", "dit", "image = 6\nclasses = 4\npatch = 3\ndim = 8\ndepth = 1\nheads = 2\nout = 2", model, run, (3, 1, 6, 6), 4)


def make(save):
    golden = Golden()
    unets(golden)
    dits(golden)
    put(golden, "unet_table", "unet",
        'image = 8\nwidths = [8, 16, 32]\ntime_dim = 12\ngroups = 8\nmiddle = 1\nmiddle_attention = false\nresample = "pool"\n'
        'skips = "last"\nlast_norm = false\nhead_dim = 0', PlainUnet(8, 12),
        lambda model, x, time, labels: model(x, noise("embedding", len(x), 12)), (3, 1, 8, 8), 0)
    save("denoisers", golden.tensors, golden.about)
