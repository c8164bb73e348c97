"""GANs and variational autoencoders: nets, losses with their penalties, and what both are measured by.

Weights and inputs are not kept: a hash of a tensor's name gives their values, as for pictures. The nets are plain
PyTorch, written from the papers; all is computed in doubles.
"""
import json
import math
import pathlib
import sys

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from vision import uniform, weight  # noqa: E402


def value(name, *shape, scale=1.0):
    return (uniform(name, shape) * scale).float().double()


def noise(name, *shape):
    return value(name, *shape, scale=math.sqrt(3))


def fill(module):
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if not name.endswith("num_batches_tracked"):
                tensor.copy_(weight(name, tuple(tensor.shape)).float())
    return module.double()


class Golden:
    def __init__(self):
        self.tensors, self.about = {}, {}

    def put(self, name, tensor):
        self.tensors[name] = tensor.detach().double() if tensor.is_floating_point() else tensor.detach()

    def gradients(self, name, module, **inputs):
        """Of every parameter and input that has one: its norm, and its product with a probe from the hash."""
        rows = [(key, p.grad) for key, p in [*inputs.items(), *module.named_parameters()] if p.grad is not None]
        self.about[name] = json.dumps([key for key, _ in rows])
        self.tensors[name] = torch.tensor(
            [[g.norm(), (g * uniform(key + "/probe", tuple(g.shape))).sum()] for key, g in rows], dtype=torch.float64)
        module.zero_grad()


class Gan(nn.Module):
    def __init__(self, generator, discriminator):
        super().__init__()
        self.generator, self.discriminator = generator, discriminator


class MissionGenerator(nn.Module):
    def __init__(self, shape=(1, 28, 28), latent=100, hidden=(256, 512)):
        super().__init__()
        self.shape, layers, width = shape, [], latent
        for following in hidden:
            layers += [nn.Linear(width, following), nn.LeakyReLU(0.2), nn.BatchNorm1d(following)]
            width = following
        self.main = nn.Sequential(*layers, nn.Linear(width, math.prod(shape)), nn.Tanh())

    def forward(self, z, labels=None):
        return self.main(z).view(-1, *self.shape)


class MissionDiscriminator(nn.Module):
    def __init__(self, shape=(1, 28, 28), hidden=(256, 512)):
        super().__init__()
        layers, width = [], math.prod(shape)
        for following in reversed(hidden):
            layers += [nn.Linear(width, following), nn.LeakyReLU(0.2)]
            width = following
        self.main = nn.Sequential(*layers, nn.Linear(width, 1))

    def forward(self, x, labels=None):
        return self.main(x.flatten(1)).squeeze(1)


def mission(shape=(1, 28, 28), latent=100, hidden=(256, 512)):
    return Gan(MissionGenerator(shape, latent, hidden), MissionDiscriminator(shape, hidden))


class DcganGenerator(nn.Module):
    def __init__(self, channels, first, doublings, latent, width, classes):
        super().__init__()
        width <<= doublings - 1
        layers = [nn.ConvTranspose2d(latent, width, first, 1, 0, bias=False),
                  nn.BatchNorm2d(width), nn.ReLU()]
        for _ in range(doublings - 1):
            layers += [nn.ConvTranspose2d(width, width // 2, 4, 2, 1, bias=False), nn.BatchNorm2d(width // 2), nn.ReLU()]
            width //= 2
        self.main = nn.Sequential(*layers, nn.ConvTranspose2d(width, channels, 4, 2, 1, bias=False), nn.Tanh())
        if classes:
            self.embed = nn.Embedding(classes, latent)

    def forward(self, z, labels=None):
        if labels is not None:
            z = z * self.embed(labels)
        return self.main(z[:, :, None, None])


class DcganDiscriminator(nn.Module):
    def __init__(self, channels, first, doublings, width, classes, norm):
        super().__init__()
        wrap = spectral_norm if norm == "spectral" else lambda layer: layer
        layers = [wrap(nn.Conv2d(channels, width, 4, 2, 1, bias=False)), nn.LeakyReLU(0.2)]
        for _ in range(doublings - 1):
            layers += [wrap(nn.Conv2d(width, width * 2, 4, 2, 1, bias=False)),
                       nn.BatchNorm2d(width * 2) if norm == "batch" else nn.Identity(), nn.LeakyReLU(0.2)]
            width *= 2
        self.main = nn.Sequential(*layers, wrap(nn.Conv2d(width, 1, first, 1, 0, bias=False)))
        if classes:
            self.embed = nn.Embedding(classes, width * first * first)

    def forward(self, x, labels=None):
        features = self.main[:-1](x)
        out = self.main[-1](features).flatten()
        return out if labels is None else out + (self.embed(labels) * features.flatten(1)).sum(1)


def dcgan(channels, image, latent, width, classes=0, norm="batch"):
    first = 7 if image % 7 == 0 else 4
    doublings = round(math.log2(image / first))
    return Gan(DcganGenerator(channels, first, doublings, latent, width, classes),
               DcganDiscriminator(channels, first, doublings, width, classes, norm))


def low_pass(x, gain):
    line = torch.tensor([1.0, 3, 3, 1], dtype=x.dtype) / 8
    return gain * line.outer(line)[None, None].repeat(x.shape[1], 1, 1, 1)


def twice(x):
    return F.conv_transpose2d(x, low_pass(x, 4), stride=2, padding=1, groups=x.shape[1])


def half(x):
    return F.conv2d(x, low_pass(x, 1), stride=2, padding=1, groups=x.shape[1])


class R3Conv(nn.Module):
    def __init__(self, before, after, kernel, groups=1):
        super().__init__()
        self.Layer = nn.Conv2d(before, after, kernel, padding=kernel // 2, groups=groups, bias=False)

    def forward(self, x):
        return self.Layer(x)


class R3Activation(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.Bias = nn.Parameter(torch.zeros(width))

    def forward(self, x):
        return F.leaky_relu(x + self.Bias[:, None, None], 0.2)


class R3Block(nn.Module):
    def __init__(self, width, expansion, group):
        super().__init__()
        wide = width * expansion
        self.LinearLayer1 = R3Conv(width, wide, 1)
        self.LinearLayer2 = R3Conv(wide, wide, 3, wide // group)
        self.LinearLayer3 = R3Conv(wide, width, 1)
        self.NonLinearity1, self.NonLinearity2 = R3Activation(wide), R3Activation(wide)

    def forward(self, x):
        return x + self.LinearLayer3(self.NonLinearity2(self.LinearLayer2(self.NonLinearity1(self.LinearLayer1(x)))))


class R3Resize(nn.Module):
    def __init__(self, before, after, up):
        super().__init__()
        self.up = up
        if before != after:
            self.LinearLayer = R3Conv(before, after, 1)

    def forward(self, x):
        match = getattr(self, "LinearLayer", nn.Identity())
        return twice(match(x)) if self.up else match(half(x))


class R3Begin(nn.Module):
    def __init__(self, before, after, side):
        super().__init__()
        self.Basis = nn.Parameter(torch.randn(after, side, side))
        self.LinearLayer = nn.Linear(before, after, bias=False)

    def forward(self, x):
        return self.Basis[None] * self.LinearLayer(x)[:, :, None, None]


class R3End(nn.Module):
    def __init__(self, before, after, side):
        super().__init__()
        self.Basis = nn.Conv2d(before, before, side, groups=before, bias=False)
        self.LinearLayer = nn.Linear(before, after, bias=False)

    def forward(self, x):
        return self.LinearLayer(self.Basis(x).flatten(1))


class R3Stage(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.Layers = nn.ModuleList(layers)

    def forward(self, x):
        for layer in self.Layers:
            x = layer(x)
        return x


class R3Generator(nn.Module):
    def __init__(self, channels, image, latent, widths, blocks, group, classes, embedding):
        super().__init__()
        before, stages = latent + (embedding if classes else 0), []
        for i, width in enumerate(widths):
            begin = R3Resize(before, width, True) if i else R3Begin(before, width, image >> (len(widths) - 1))
            stages.append(R3Stage([begin] + [R3Block(width, 2, group) for _ in range(blocks)]))
            before = width
        self.MainLayers = nn.ModuleList(stages)
        self.AggregationLayer = R3Conv(before, channels, 1)
        if classes:
            self.EmbeddingLayer = nn.Linear(classes, embedding, bias=False)

    def forward(self, x, labels=None):
        if labels is not None:
            one_hot = F.one_hot(labels, self.EmbeddingLayer.in_features).to(x.dtype)
            x = torch.cat([x, self.EmbeddingLayer(one_hot)], 1)
        for stage in self.MainLayers:
            x = stage(x)
        return self.AggregationLayer(x)


class R3Discriminator(nn.Module):
    def __init__(self, channels, image, widths, blocks, group, classes, embedding):
        super().__init__()
        self.ExtractionLayer = R3Conv(channels, widths[-1], 1)
        stages = []
        for i in reversed(range(len(widths))):
            end = (R3Resize(widths[i], widths[i - 1], False) if i else
                   R3End(widths[0], embedding if classes else 1, image >> (len(widths) - 1)))
            stages.append(R3Stage([R3Block(widths[i], 2, group) for _ in range(blocks)] + [end]))
        self.MainLayers = nn.ModuleList(stages)
        if classes:
            self.EmbeddingLayer = nn.Linear(classes, embedding, bias=False)

    def forward(self, x, labels=None):
        x = self.ExtractionLayer(x)
        for stage in self.MainLayers:
            x = stage(x)
        if labels is None:
            return x.flatten()
        return (x * self.EmbeddingLayer(F.one_hot(labels, self.EmbeddingLayer.in_features).to(x.dtype))).sum(1)


def r3gan(channels, image, latent, widths, blocks, group, classes=0, embedding=3):
    return Gan(R3Generator(channels, image, latent, widths, blocks, group, classes, embedding),
               R3Discriminator(channels, image, widths, blocks, group, classes, embedding))


def leaky(x):
    return F.leaky_relu(x, 0.2) * math.sqrt(2)


def normal(x):
    return x / (x.square().mean(-1, keepdim=True) + 1e-8).sqrt()


class Equal(nn.Module):
    """A linear layer whose weight is divided by sqrt(inputs) where it is used."""

    def __init__(self, before, after, rate=1.0):
        super().__init__()
        self.weight, self.bias, self.rate = nn.Parameter(torch.randn(after, before)), nn.Parameter(torch.zeros(after)), rate

    def forward(self, x):
        return x @ self.weight.T * self.rate / math.sqrt(self.weight.shape[1]) + self.bias * self.rate


class StyledConv(nn.Module):
    """Every sample has a kernel of its own, as in the paper's figure 2."""

    def __init__(self, before, after, side, latent, up=False, kernel=3, plain=False):
        super().__init__()
        self.affine = Equal(latent, before)
        self.weight = nn.Parameter(torch.randn(after, before, kernel, kernel))
        self.bias, self.up, self.plain = nn.Parameter(torch.zeros(after)), up, plain
        if not plain:
            self.noise_strength = nn.Parameter(torch.zeros(()))
            self.register_buffer("noise_const", torch.randn(side, side))

    def forward(self, x, w):
        out = []
        for one, style in zip(x, self.affine(w)):
            kernel = self.weight / math.sqrt(self.weight[0].numel()) * style[None, :, None, None]
            if not self.plain:
                kernel = kernel / (kernel.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
            if self.up:
                y = F.conv_transpose2d(one[None], kernel.transpose(0, 1), stride=2)
                y = F.conv2d(F.pad(y, (1, 1, 1, 1)), low_pass(y, 4), groups=y.shape[1])
            else:
                y = F.conv2d(one[None], kernel, padding=kernel.shape[-1] // 2)
            out.append(y)
        y = torch.cat(out)
        if self.plain:
            return y + self.bias[:, None, None]
        return leaky(y + self.noise_const * self.noise_strength + self.bias[:, None, None])


class StyleMapping(nn.Module):
    def __init__(self, latent, layers, classes):
        super().__init__()
        if classes:
            self.embed = nn.Embedding(classes, latent)
        for i in range(layers):
            setattr(self, f"fc{i}", Equal(latent * (2 if classes and i == 0 else 1), latent, 0.01))
        self.layers = layers

    def forward(self, z, labels):
        x = normal(z)
        if labels is not None:
            x = torch.cat([x, normal(self.embed(labels))], 1)
        for i in range(self.layers):
            x = leaky(getattr(self, f"fc{i}")(x))
        return x


class StyleBlock(nn.Module):
    def __init__(self, before, after, side, latent, channels):
        super().__init__()
        if before:
            self.conv0 = StyledConv(before, after, side, latent, up=True)
        else:
            self.const = nn.Parameter(torch.randn(after, side, side))
        self.conv1 = StyledConv(after, after, side, latent)
        self.torgb = StyledConv(after, channels, side, latent, kernel=1, plain=True)

    def forward(self, x, picture, w):
        x = self.conv1(self.conv0(x, w) if x is not None else self.const.expand(len(w), -1, -1, -1), w)
        rgb = self.torgb(x, w)
        return x, rgb if picture is None else twice(picture) + rgb


class StyleGenerator(nn.Module):
    def __init__(self, channels, sides, latent, layers, width, most, classes):
        super().__init__()
        self.mapping, self.synthesis, before = StyleMapping(latent, layers, classes), nn.Module(), 0
        for side in sides:
            after = min(width // side, most)
            self.synthesis.add_module(f"b{side}", StyleBlock(before, after, side, latent, channels))
            before = after

    def draw(self, w):
        x = picture = None
        for block in self.synthesis.children():
            x, picture = block(x, picture, w)
        return picture

    def forward(self, z, labels=None):
        return self.draw(self.mapping(z, labels))


class EqualConv(nn.Module):
    def __init__(self, before, after, kernel, down=False, plain=False):
        super().__init__()
        self.weight, self.down, self.plain = nn.Parameter(torch.randn(after, before, kernel, kernel)), down, plain
        if not plain:
            self.bias = nn.Parameter(torch.zeros(after))

    def forward(self, x):
        weight, kernel = self.weight / math.sqrt(self.weight[0].numel()), self.weight.shape[-1]
        if self.down and kernel == 1:
            x = F.conv2d(half(x), weight)
        elif self.down:
            x = F.conv2d(F.conv2d(F.pad(x, (2, 2, 2, 2)), low_pass(x, 1), groups=x.shape[1]), weight, stride=2)
        else:
            x = F.conv2d(x, weight, padding=kernel // 2)
        return x if self.plain else leaky(x + self.bias[:, None, None])


class StyleJudgeBlock(nn.Module):
    def __init__(self, channels, before, after):
        super().__init__()
        if channels:
            self.fromrgb = EqualConv(channels, before, 1)
        self.conv0, self.conv1 = EqualConv(before, before, 3), EqualConv(before, after, 3, down=True)
        self.skip = EqualConv(before, after, 1, down=True, plain=True)

    def forward(self, x):
        x = self.fromrgb(x) if hasattr(self, "fromrgb") else x
        return (self.conv1(self.conv0(x)) + self.skip(x)) / math.sqrt(2)


class StyleJudgeEnd(nn.Module):
    def __init__(self, width, side, after, group):
        super().__init__()
        self.conv, self.fc, self.out = EqualConv(width + 1, width, 3), Equal(width * side * side, width), Equal(width, after)
        self.group = group

    def forward(self, x):
        n, step = len(x), len(x) // self.group
        spread = torch.stack([x[i % step::step].std(0, unbiased=False).square().add(1e-8).sqrt().mean() for i in range(n)])
        x = torch.cat([x, spread[:, None, None, None].expand(-1, 1, *x.shape[2:])], 1)
        return self.out(leaky(self.fc(self.conv(x).flatten(1))))


class StyleDiscriminator(nn.Module):
    def __init__(self, channels, sides, latent, width, most, classes, group):
        super().__init__()
        wide = [min(width // side, most) for side in sides]
        for i in reversed(range(1, len(sides))):
            self.add_module(f"b{sides[i]}", StyleJudgeBlock(channels if i == len(sides) - 1 else 0, wide[i], wide[i - 1]))
        self.add_module(f"b{sides[0]}", StyleJudgeEnd(wide[0], sides[0], latent if classes else 1, group))
        self.blocks = list(self.children())
        if classes:
            self.embed = nn.Embedding(classes, latent)

    def forward(self, x, labels=None):
        for block in self.blocks:
            x = block(x)
        return x.flatten() if labels is None else (x * normal(self.embed(labels))).sum(1) / math.sqrt(x.shape[1])


def stylegan2(channels, sides, latent, layers, width, most, classes=0, group=2):
    return Gan(StyleGenerator(channels, sides, latent, layers, width, most, classes),
               StyleDiscriminator(channels, sides, latent, width, most, classes, group))


def net(golden, name, gan, preset, settings, latent, shape, classes=0, count=3, train=True):
    """Two steps in training mode, with the gradients of the second, then eval mode; or all in eval mode."""
    fill(gan).train(train)
    z = noise("z", count, latent).requires_grad_()
    x = noise("pictures", count, *shape).requires_grad_()
    labels = torch.arange(count) * 2 % classes if classes else None
    for step in range(2):
        made, logits = gan.generator(z, labels), gan.discriminator(x, labels)
        if step == 0:
            golden.put(f"{name}/first", logits)
    golden.put(f"{name}/made", made)
    golden.put(f"{name}/logits", logits)
    ((made * value("target", *made.shape)).sum() + (logits * value("weigh", count)).sum()).backward()
    golden.gradients(f"{name}/gradients", gan, z=z, pictures=x)
    gan.eval()
    golden.put(f"{name}/eval_made", gan.generator(z, labels))
    golden.put(f"{name}/eval_logits", gan.discriminator(x, labels))
    golden.about[name] = json.dumps({"preset": preset, "settings": settings, "latent": latent, "shape": shape,
                                     "classes": classes, "count": count, "train": train,
                                     "weights": [k for k in gan.state_dict() if not k.endswith("tracked")]})


def d_loss(kind, real, made):
    if kind in ("minimax", "non_saturating"):
        return (F.binary_cross_entropy_with_logits(real, torch.ones_like(real))
                + F.binary_cross_entropy_with_logits(made, torch.zeros_like(made)))
    if kind == "hinge":
        return F.relu(1 - real).mean() + F.relu(1 + made).mean()
    if kind == "wasserstein":
        return made.mean() - real.mean()
    return -F.logsigmoid(real - made).mean()


def g_loss(kind, real, made):
    if kind == "minimax":
        return torch.log(1 - torch.sigmoid(made)).mean()
    if kind == "non_saturating":
        return F.binary_cross_entropy_with_logits(made, torch.ones_like(made))
    if kind == "relativistic":
        return -F.logsigmoid(made - real).mean()
    return -made.mean()


def slopes(y, x):
    return torch.autograd.grad(y.sum(), x, create_graph=True)[0].flatten(1)


def losses(golden):
    """On two pairs of small nets, the second convolutional, for the penalties' gradients go through both kinds."""
    nets = {"full": (mission((1, 4, 4), 5, (8, 6)), 5, (1, 4, 4)), "conv": (dcgan(2, 8, 5, 4, norm="none"), 5, (2, 8, 8))}
    for of, (gan, latent, shape) in nets.items():
        fill(gan).train()
        z, x = noise("z", 6, latent), noise("pictures", 6, *shape)
        for kind in ("minimax", "non_saturating", "hinge", "wasserstein", "relativistic"):
            for who, loss in (("d", d_loss), ("g", g_loss)):
                out = loss(kind, gan.discriminator(x), gan.discriminator(gan.generator(z)))
                golden.put(f"{of}/{kind}/{who}", out)
                out.backward()
                golden.gradients(f"{of}/{kind}/{who}/gradients", gan)
        made = gan.generator(z).detach().requires_grad_()
        real = x.clone().requires_grad_()
        r1 = slopes(gan.discriminator(real), real).square().sum(1)
        r2 = slopes(gan.discriminator(made), made).square().sum(1)
        golden.put(f"{of}/r1", r1)
        golden.put(f"{of}/r2", r2)
        (3 * r1.mean() + 0.5 * r2.mean()).backward()
        golden.gradients(f"{of}/r1r2/gradients", gan)
        share = value("share", 6).abs().view(-1, 1, 1, 1)
        between = (share * x + (1 - share) * made.detach()).requires_grad_()
        out = (slopes(gan.discriminator(between), between).norm(dim=1) - 1).square().mean()
        golden.put(f"{of}/gp", out)
        out.backward()
        golden.gradients(f"{of}/gp/gradients", gan)
        mean = torch.zeros((), dtype=torch.float64)
        for step in range(2):
            start = noise(f"z{step}", 6, latent).requires_grad_()
            made = gan.generator(start)
            y = noise(f"path{step}", *made.shape) / math.sqrt(shape[1] * shape[2])
            lengths = slopes((made * y).flatten(1).sum(1), start).norm(dim=1)
            mean = mean + 0.01 * (lengths.detach().mean() - mean)
            path = (lengths - mean).square().mean()
            golden.put(f"{of}/path{step}", path)
        path.backward()
        golden.gradients(f"{of}/path/gradients", gan)


def style_path(golden):
    """The path length penalty by StyleGAN2's styles, with its gradients."""
    gan = fill(stylegan2(1, (4, 8), 6, 2, 40, 8)).eval()
    w = gan.generator.mapping(noise("z", 4, 6), None)
    made = gan.generator.draw(w)
    lengths = slopes((made * noise("path", *made.shape) / 8).flatten(1).sum(1), w).norm(dim=1)
    out = (lengths - 0.01 * lengths.detach().mean()).square().mean()
    golden.put("style_path", out)
    out.backward()
    golden.gradients("style_path/gradients", gan)


CHANGES = ("flip", "turns", "shift", "scale", "rotate", "rotate2", "stretch", "move", "brightness", "contrast", "luma", "hue",
           "saturation")


def ada_changes(name, count):
    """Numbers for every change, from the hash."""
    draw = {key: value(f"{name}/{key}", count, *((2,) if key in ("shift", "move") else ())) for key in CHANGES}
    draw["flip"], draw["luma"] = (draw["flip"] > 0).double(), (draw["luma"] > 0).double()
    draw["turns"] = (draw["turns"] * 2).floor().abs()
    draw["shift"], draw["move"] = draw["shift"] / 4, draw["move"] / 8
    for key in ("scale", "stretch", "contrast", "saturation"):
        draw[key] = torch.exp2(draw[key] / 2)
    draw["brightness"] = draw["brightness"] / 5
    return draw


def turn2(angle):
    c, s = math.cos(angle), math.sin(angle)
    return torch.tensor([[c, -s, 0], [s, c, 0], [0, 0, 1]], dtype=torch.float64)


def diagonal(*values):
    return torch.diag(torch.tensor(values, dtype=torch.float64))


def moved(x, y):
    out = torch.eye(3, dtype=torch.float64)
    out[0, 2], out[1, 2] = x, y
    return out


def ada_pixels(x, draw):
    """One picture after the other: the changes of places in their order, their inverse, and what it samples."""
    out = []
    for i, picture in enumerate(x):
        h, w = picture.shape[1:]
        d = {key: draw[key][i].tolist() for key in CHANGES}
        there = diagonal(1 - 2 * d["flip"], 1, 1)
        for change in (turn2(-math.pi / 2 * d["turns"]), moved(round(d["shift"][0] * w), round(d["shift"][1] * h)),
                       diagonal(d["scale"], d["scale"], 1), turn2(d["rotate"]), diagonal(d["stretch"], 1 / d["stretch"], 1),
                       turn2(d["rotate2"]), moved(d["move"][0] * w, d["move"][1] * h)):
            there = change @ there
        to_pixels = diagonal(w / 2, h / 2, 1)
        theta = (to_pixels.inverse() @ there.inverse() @ to_pixels)[:2]
        grid = F.affine_grid(theta[None], (1, *picture.shape), align_corners=False)
        out.append(F.grid_sample(picture[None], grid, padding_mode="reflection", align_corners=False)[0])
    return torch.stack(out)


def ada_colour(x, draw):
    out = []
    axis = torch.ones(3, dtype=torch.float64) / math.sqrt(3)
    for i, picture in enumerate(x):
        d = {key: draw[key][i].item() for key in ("brightness", "contrast", "luma", "hue", "saturation")}
        c = (picture if len(picture) == 3 else picture.expand(3, -1, -1)).flatten(1)
        c = (c + d["brightness"]) * d["contrast"]
        grey = axis[:, None] * (axis @ c)
        c = c - 2 * grey * d["luma"]
        grey = axis[:, None] * (axis @ c)
        across = torch.linalg.cross(axis[:, None].expand_as(c), c, dim=0)
        c = c * math.cos(d["hue"]) + across * math.sin(d["hue"]) + grey * (1 - math.cos(d["hue"]))
        c = grey + (c - grey) * d["saturation"]
        out.append((c if len(picture) == 3 else c.mean(0)).view(picture.shape))
    return torch.stack(out)


def ada(golden):
    for name, shape in (("colour", (6, 3, 7, 9)), ("grey", (6, 1, 8, 6)), ("other", (4, 2, 5, 5))):
        x = noise(name, *shape).requires_grad_()
        draw = ada_changes(name, shape[0])
        out = ada_pixels(x, draw)
        out = out if shape[1] == 2 else ada_colour(out, draw)
        golden.put(name, out)
        slope = torch.autograd.grad((out * value("target", *shape)).sum(), x)[0]
        golden.put(f"{name}/slope", slope)
        # Sampling is linear: as a matrix it can be differentiated twice.
        basis = torch.eye(math.prod(shape[1:]), dtype=torch.float64).view(-1, *shape[1:])
        total = 0
        for i in range(shape[0]):
            one = {key: draw[key][i].expand(len(basis), *draw[key][i].shape) for key in CHANGES}
            zero = {key: draw[key][i][None] for key in CHANGES}
            run = (lambda p, d: ada_pixels(p, d)) if shape[1] == 2 else (lambda p, d: ada_colour(ada_pixels(p, d), d))
            base = run(torch.zeros(1, *shape[1:]).double(), zero).flatten()
            matrix = torch.stack([y.flatten() for y in run(basis, one)]) - base
            y = x[i].flatten() @ matrix + base
            total = total + slopes(y.pow(3).sum(), x)[i].square().sum()
        golden.put(f"{name}/penalty", total)
        golden.put(f"{name}/penalty_slope", torch.autograd.grad(total, x)[0])


def make(save):
    golden = Golden()
    net(golden, "mission_gan", mission((2, 5, 5), 6, (12, 10)), "mission_gan",
        "channels = 2\nimage = 5\nlatent = 6\nhidden = [12, 10]", 6, (2, 5, 5), count=5)
    net(golden, "dcgan28", dcgan(1, 28, 6, 4), "dcgan", "latent = 6\nwidth = 4", 6, (1, 28, 28))
    net(golden, "dcgan32", dcgan(3, 32, 6, 4), "dcgan", "channels = 3\nimage = 32\nlatent = 6\nwidth = 4", 6, (3, 32, 32), count=2)
    net(golden, "dcgan_conditional", dcgan(1, 16, 6, 4, 5, "none"), "dcgan-conditional",
        'image = 16\nlatent = 6\nwidth = 4\nclasses = 5\nnorm = "none"', 6, (1, 16, 16), 5)
    net(golden, "dcgan_spectral", dcgan(1, 16, 6, 4, 0, "spectral"), "dcgan",
        'image = 16\nlatent = 6\nwidth = 4\nnorm = "spectral"', 6, (1, 16, 16))
    net(golden, "r3gan", r3gan(3, 12, 6, (8, 6, 4), 2, 2), "r3gan",
        "channels = 3\nimage = 12\nlatent = 6\nwidths = [8, 6, 4]\nblocks = 2\ngroup = 2", 6, (3, 12, 12))
    net(golden, "r3gan_conditional", r3gan(1, 14, 6, (8, 8), 1, 4, 5), "r3gan-conditional",
        "image = 14\nlatent = 6\nwidths = [8, 8]\nblocks = 1\ngroup = 4\nembedding = 3\nclasses = 5", 6, (1, 14, 14), 5)
    net(golden, "stylegan2", stylegan2(3, (4, 8, 16), 6, 2, 80, 10), "stylegan2",
        "channels = 3\nimage = 16\nlatent = 6\nwidth = 80\nmost = 10\ngroup = 2", 6, (3, 16, 16), count=4, train=False)
    net(golden, "stylegan2_conditional", stylegan2(1, (7, 14), 6, 3, 80, 6, 5, 3), "stylegan2-conditional",
        "image = 14\nlatent = 6\nmapping = 3\nwidth = 80\nmost = 6\ngroup = 4\nclasses = 5", 6, (1, 14, 14), 5, train=False)
    style_path(golden)
    save("gan", golden.tensors, golden.about)
    golden = Golden()
    ada(golden)
    save("ada", golden.tensors, golden.about)
    golden = Golden()
    losses(golden)
    save("gan_losses", golden.tensors, golden.about)
