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
        layers = [nn.ConvTranspose2d(latent * (2 if classes else 1), width, first, 1, 0, bias=False),
                  nn.BatchNorm2d(width), nn.ReLU()]
        for _ in range(doublings - 1):
            layers += [nn.ConvTranspose2d(width, width // 2, 4, 2, 1, bias=False), nn.BatchNorm2d(width // 2), nn.ReLU()]
            width //= 2
        self.main = nn.Sequential(*layers, nn.ConvTranspose2d(width, channels, 4, 2, 1, bias=False), nn.Tanh())
        if classes:
            self.embed = nn.Embedding(classes, latent)

    def forward(self, z, labels=None):
        if labels is not None:
            z = torch.cat([z, self.embed(labels)], 1)
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
            self.embed = nn.Embedding(classes, width)

    def forward(self, x, labels=None):
        features = self.main[:-1](x)
        out = self.main[-1](features).flatten()
        return out if labels is None else out + (self.embed(labels) * features.mean((2, 3))).sum(1)


def dcgan(channels, image, latent, width, classes=0, norm="batch"):
    first = 7 if image % 7 == 0 else 4
    doublings = round(math.log2(image / first))
    return Gan(DcganGenerator(channels, first, doublings, latent, width, classes),
               DcganDiscriminator(channels, first, doublings, width, classes, norm))


def net(golden, name, gan, preset, settings, latent, shape, classes=0, count=3):
    """Two steps in training mode, with the gradients of the second, then eval mode."""
    fill(gan).train()
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
                                     "classes": classes, "count": count,
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
    save("gan", golden.tensors, golden.about)
    golden = Golden()
    losses(golden)
    save("gan_losses", golden.tensors, golden.about)
