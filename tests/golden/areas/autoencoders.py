"""Variational autoencoders: nets, likelihoods, bounds, codebooks; and the distances between sets of features.

Weights and inputs come from hashes, as for pictures; all is computed in doubles with plain PyTorch, SciPy and NumPy.
"""
import json
import math
import pathlib
import sys

import numpy as np
import scipy.linalg
import torch
import torch.nn.functional as F
from scipy.spatial.distance import cdist
from torch import nn
from torch.distributions import Independent, Normal, kl_divergence

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from generative import Golden, fill, noise, value  # noqa: E402


def levels(name, *shape):
    """Bytes as numbers in [0, 1], 0 and 1 among them."""
    return ((value(name, *shape) * 0.6 + 0.5).clamp(0, 1) * 255).round() / 255


def bits(name, *shape):
    return (value(name, *shape) > 0.3).double()


def join(x, labels, classes):
    return torch.cat([x, F.one_hot(labels, classes).double()], 1) if classes else x


class MlpVae(nn.Module):
    def __init__(self, shape, hidden, latent, classes=0, times=1):
        super().__init__()
        self.shape, self.classes, values = (shape[0] * times, *shape[1:]), classes, math.prod(shape)
        self.fc1 = nn.Linear(values + classes, hidden)
        self.fc21, self.fc22 = nn.Linear(hidden, latent), nn.Linear(hidden, latent)
        self.fc3, self.fc4 = nn.Linear(latent + classes, hidden), nn.Linear(hidden, values * times)

    def encode(self, x, labels):
        h = F.relu(self.fc1(join(x.flatten(1), labels, self.classes)))
        return self.fc21(h), self.fc22(h)

    def decode(self, z, labels):
        return self.fc4(F.relu(self.fc3(join(z, labels, self.classes)))).view(-1, *self.shape)


class Iwae(nn.Module):
    def __init__(self, shape, hidden, latent):
        super().__init__()
        self.shape, values = shape, math.prod(shape)

        def two(width):
            return [nn.Linear(width, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh()]

        self.encoder = nn.Sequential(*two(values))
        self.mean, self.log_variance = nn.Linear(hidden, latent), nn.Linear(hidden, latent)
        self.decoder = nn.Sequential(*two(latent), nn.Linear(hidden, values))

    def encode(self, x, labels):
        h = self.encoder(x.flatten(1))
        return self.mean(h), self.log_variance(h)

    def decode(self, z, labels):
        return self.decoder(z).view(-1, *self.shape)


class EluBlock(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x):
        return x + self.conv2(F.elu(self.conv1(F.elu(x))))


class ConvVae(nn.Module):
    def __init__(self, channels, image, width, hidden, latent, classes=0, times=1):
        super().__init__()
        wide, side = 2 * width, image // 4
        self.classes, self.middle = classes, (wide, side, side)
        self.encoder = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1), EluBlock(width),
            nn.ELU(), nn.Conv2d(width, wide, 4, 2, 1), EluBlock(wide),
            nn.ELU(), nn.Conv2d(wide, wide, 4, 2, 1), EluBlock(wide), nn.ELU())
        flat = wide * side * side
        self.to_hidden = nn.Linear(flat + classes, hidden)
        self.mean, self.log_variance = nn.Linear(hidden, latent), nn.Linear(hidden, latent)
        self.from_latent, self.from_hidden = nn.Linear(latent + classes, hidden), nn.Linear(hidden, flat)
        self.decoder = nn.Sequential(
            EluBlock(wide), nn.ELU(), nn.ConvTranspose2d(wide, wide, 4, 2, 1),
            EluBlock(wide), nn.ELU(), nn.ConvTranspose2d(wide, width, 4, 2, 1),
            EluBlock(width), nn.ELU(), nn.Conv2d(width, channels * times, 3, padding=1))

    def encode(self, x, labels):
        h = F.elu(self.to_hidden(join(self.encoder(x - 0.5).flatten(1), labels, self.classes)))
        return self.mean(h), self.log_variance(h)

    def decode(self, z, labels):
        h = F.elu(self.from_latent(join(z, labels, self.classes)))
        return self.decoder(self.from_hidden(h).view(-1, *self.middle))


def log_likelihood(kind, parameters, x):
    if kind == "bernoulli":
        return -F.binary_cross_entropy_with_logits(parameters, x, reduction="none").flatten(1).sum(1)
    mean, log_scale = parameters.chunk(2, 1)
    scale, step = log_scale.clamp(min=-7).exp(), 1 / 255
    a, b = (x - step / 2 - mean) / scale, (x + step / 2 - mean) / scale
    if kind == "logistic":
        below, above = F.logsigmoid(b), F.logsigmoid(-a)
        # sigmoid(b) - sigmoid(a) = sinh((b - a) / 2) / (2 cosh(a / 2) cosh(b / 2))
        inside = log_sinh(step / (2 * scale)) - math.log(2) - log_cosh(a / 2) - log_cosh(b / 2)
    else:
        below, above = torch.special.log_ndtr(b), torch.special.log_ndtr(-a)
        a, b = torch.where(a + b > 0, -b, a), torch.where(a + b > 0, -a, b)  # the tail that keeps its digits
        low, high = torch.special.log_ndtr(a), torch.special.log_ndtr(b)
        inside = high + torch.log1p(-torch.exp(low - high))
    return torch.where(x == 0, below, torch.where(x == 1, above, inside)).flatten(1).sum(1)


def log_cosh(x):
    return x.abs() + torch.log1p(torch.exp(-2 * x.abs())) - math.log(2)


def log_sinh(x):
    return x + torch.log(-torch.expm1(-2 * x)) - math.log(2)


def bounds(golden, name, model, kind, x, latent, labels=None, preset="", settings=""):
    fill(model)
    count, samples = len(x), 4
    eps = noise("noise", samples, count, latent)

    def terms():
        mean, log_variance = model.encode(x, labels)
        q = Independent(Normal(mean, (0.5 * log_variance).exp()), 1)
        p = Independent(Normal(torch.zeros_like(mean), torch.ones_like(mean)), 1)
        log_x, ratio = [], []
        for k in range(samples):
            z = mean + (0.5 * log_variance).exp() * eps[k]
            log_x.append(log_likelihood(kind, model.decode(z, labels), x))
            ratio.append(p.log_prob(z) - q.log_prob(z))
        kl = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0 * mean, 1 + 0 * mean))
        return torch.stack(log_x), torch.stack(ratio), kl

    golden.about[name] = json.dumps({
        "preset": preset, "settings": settings, "latent": latent, "shape": list(x.shape), "samples": samples, "kind": kind,
        "classes": 0 if labels is None else model.classes, "weights": [key for key in model.state_dict()]})
    log_x, ratio, kl = terms()
    for key, tensor in (("log_x", log_x), ("log_ratio", ratio), ("kl", kl), ("elbo", log_x.mean(0) - kl.sum(1)),
                        ("bound", torch.logsumexp(log_x + ratio, 0) - math.log(samples))):
        golden.put(f"{name}/{key}", tensor)
    floor = kl.mean(0).sort().values[:2].mean().item()  # one latent lies below
    golden.about[f"{name}/floor"] = repr(floor)
    for loss in ("plain", "free", "importance"):
        log_x, ratio, kl = terms()
        out = {"plain": -log_x.mean() + 0.5 * kl.sum(1).mean(),
               "free": -log_x.mean() + torch.stack([k if k > floor else k.new_tensor(floor) for k in kl.mean(0)]).sum(),
               "importance": math.log(samples) - torch.logsumexp(log_x + ratio, 0).mean()}[loss]
        golden.put(f"{name}/{loss}", out)
        out.backward()
        golden.gradients(f"{name}/{loss}/gradients", model)


def vaes(golden):
    small = "channels = 2\nimage = 4\nhidden = 9\nlatent = 3"
    binary, colours = bits("pictures", 4, 2, 4, 4), levels("pictures", 4, 2, 4, 4)
    bounds(golden, "vae", MlpVae((2, 4, 4), 9, 3), "bernoulli", binary, 3, preset="vae", settings=small)
    bounds(golden, "vae_conditional", MlpVae((2, 4, 4), 9, 3, 5), "bernoulli", binary, 3, torch.tensor([0, 3, 4, 1]),
           "vae-conditional", small + "\nclasses = 5")
    for kind in ("logistic", "gaussian"):
        bounds(golden, f"vae_{kind}", MlpVae((2, 4, 4), 9, 3, 0, 2), kind, colours, 3, preset="vae",
               settings=small + f'\nlikelihood = "{kind}"')
    bounds(golden, "iwae", Iwae((2, 4, 4), 9, 3), "bernoulli", binary, 3, preset="iwae", settings=small)
    conv = "channels = 2\nimage = 8\nwidth = 3\nhidden = 9\nlatent = 3"
    bounds(golden, "vae_conv", ConvVae(2, 8, 3, 9, 3), "bernoulli", bits("pictures", 3, 2, 8, 8), 3, preset="vae-conv", settings=conv)
    bounds(golden, "vae_conv_conditional", ConvVae(2, 8, 3, 9, 3, 5, 2), "logistic", levels("pictures", 3, 2, 8, 8), 3,
           torch.tensor([0, 3, 4]), "vae-conv-conditional", conv + '\nclasses = 5\nlikelihood = "logistic"')


class ReluBlock(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(width, width // 2, 3, padding=1), nn.Conv2d(width // 2, width, 1)

    def forward(self, x):
        return x + self.conv2(F.relu(self.conv1(F.relu(x))))


class EmaCodebook(nn.Module):
    def __init__(self, size, dim, decay):
        super().__init__()
        self.decay = decay
        self.register_buffer("embedding", torch.randn(size, dim))
        self.register_buffer("cluster_size", torch.ones(size))
        self.register_buffer("embedding_avg", torch.randn(size, dim))

    def forward(self, x):
        n, d, h, w = x.shape
        rows = x.permute(0, 2, 3, 1).reshape(-1, d)
        codes = torch.cdist(rows, self.embedding).argmin(1)
        book = self.embedding.clone()
        out = book[codes].view(n, h, w, d).permute(0, 3, 1, 2)
        if self.training:
            with torch.no_grad():
                for k in range(len(book)):
                    mine = rows[codes == k]
                    self.cluster_size[k] = self.decay * self.cluster_size[k] + (1 - self.decay) * len(mine)
                    self.embedding_avg[k] = self.decay * self.embedding_avg[k] + (1 - self.decay) * mine.sum(0)
                total = self.cluster_size.sum()
                counts = (self.cluster_size + 1e-5) / (total + len(book) * 1e-5) * total
                self.embedding.copy_(self.embedding_avg / counts[:, None])
        return x + (out - x).detach(), codes.view(n, h, w), F.mse_loss(x, out)


class Fsq(nn.Module):
    def __init__(self, levels):
        super().__init__()
        self.levels = torch.tensor(levels)

    def forward(self, x):
        l = self.levels[:, None, None]
        half_l, offset = (l - 1).double() * (1 - 1e-3) / 2, torch.where(l % 2 == 1, 0.0, 0.5).double()
        z = torch.tanh(x + torch.tan(offset / half_l)) * half_l - offset
        z = z + (z.round() - z).detach()
        basis = torch.cumprod(torch.cat([torch.ones(1, dtype=torch.int64), self.levels[:-1]]), 0)[:, None, None]
        codes = ((z.detach() + l // 2) * basis).sum(1).round().long()
        return z / (l // 2), codes, x.new_zeros(())


class VqVae(nn.Module):
    def __init__(self, channels, width, dim, quantiser, blocks=1, times=1):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(channels, width, 4, 2, 1), nn.ReLU(), nn.Conv2d(width, width, 4, 2, 1), nn.ReLU(),
                                     nn.Conv2d(width, width, 3, padding=1), *[ReluBlock(width) for _ in range(blocks)], nn.ReLU())
        self.to_codes, self.quantiser, self.from_codes = nn.Conv2d(width, dim, 1), quantiser, nn.Conv2d(dim, width, 3, padding=1)
        self.decoder = nn.Sequential(*[ReluBlock(width) for _ in range(blocks)], nn.ReLU(),
                                     nn.ConvTranspose2d(width, width, 4, 2, 1), nn.ReLU(),
                                     nn.ConvTranspose2d(width, channels * times, 4, 2, 1))

    def forward(self, x):
        features, codes, commitment = self.quantiser(self.to_codes(self.encoder(x - 0.5)))
        return self.decoder(self.from_codes(features)), codes, commitment


def vqvaes(golden):
    common = "channels = 2\nimage = 16\nwidth = 6\nblocks = 1"
    for name, quantiser, kind, settings in (
            ("ema", EmaCodebook(7, 4, 0.9), "bernoulli", "codes = 7\ndim = 4\ndecay = 0.9\nrestart = 0"),
            ("fsq", Fsq((4, 3, 5)), "logistic", 'quantiser = "fsq"\nlevels = [4, 3, 5]\nlikelihood = "logistic"')):
        dim = 4 if name == "ema" else 3
        model = fill(VqVae(2, 6, dim, quantiser, times=1 if kind == "bernoulli" else 2)).train()
        if name == "ema":
            quantiser.cluster_size.abs_().add_(1)
        for step in range(3):
            x = (bits if kind == "bernoulli" else levels)(f"pictures{step}", 5, 2, 16, 16)
            model.zero_grad()
            parameters, codes, commitment = model(x)
            loss = 0.25 * 2 * 16 * 16 * commitment - log_likelihood(kind, parameters, x).mean()
            golden.put(f"{name}/codes{step}", codes)
            golden.put(f"{name}/loss{step}", loss)
        loss.backward()
        golden.gradients(f"{name}/gradients", model)
        for key, tensor in model.named_buffers():
            golden.put(f"{name}/{key}", tensor)
        golden.put(f"{name}/parameters", parameters)
        golden.about[name] = json.dumps({"settings": f"{common}\n{settings}", "kind": kind})
    book = fill(EmaCodebook(7, 4, 0.9)).train()
    book.cluster_size.abs_().add_(1)
    for step in range(4):
        x = noise(f"features{step}", 3, 4, 5, 5).requires_grad_()
        features, codes, commitment = book(x)
        golden.put(f"book/codes{step}", codes)
        golden.put(f"book/commitment{step}", commitment)
    (commitment + (features * value("target", *x.shape)).sum()).backward()
    golden.put("book/slope", x.grad)
    for key, tensor in book.named_buffers():
        golden.put(f"book/{key}", tensor)
    x = value("features", 4, 3, 5, 5, scale=3.0)
    for levels_of in ((4, 3, 5), (8, 6, 5), (2, 7, 2)):
        features, codes, _ = Fsq(levels_of)(x)
        golden.put("fsq" + "".join(map(str, levels_of)) + "/features", features)
        golden.put("fsq" + "".join(map(str, levels_of)) + "/codes", codes)


def likelihoods(golden):
    """Far from the mean, at narrow scales and at the edges, where digits are lost: in 200 bits."""
    import mpmath
    mpmath.mp.prec = 300
    cases = [(m, s, x) for m in (-0.5, 0.2, 1.0) for s in (-6.5, -3.0, 0.5) for x in (0, 1, 77, 255)]
    for kind in ("logistic", "gaussian"):
        below = (lambda t: 1 / (1 + mpmath.exp(-t))) if kind == "logistic" else mpmath.ncdf
        out = []
        for m, s, x in cases:
            scale, place, step = mpmath.exp(mpmath.mpf(s)), mpmath.mpf(x) / 255, mpmath.mpf(1) / 255
            a, b = (place - step / 2 - m) / scale, (place + step / 2 - m) / scale
            if x in (0, 255):
                out.append(float(mpmath.log(below(b if x == 0 else -a))))
            else:  # both edges on the left, where numbers are small
                a, b = (-b, -a) if a + b > 0 else (a, b)
                out.append(float(mpmath.log(below(b) - below(a))))
        golden.tensors[f"{kind}/values"] = torch.tensor(out, dtype=torch.float64)
    golden.tensors["cases"] = torch.tensor(cases, dtype=torch.float64)


def distances(golden):
    """Two sets of features: their Fréchet distance by SciPy's matrix root, and others written out."""
    real, made = noise("real", 90, 8).numpy(), (noise("made", 70, 8) * 0.8 + 0.3).numpy()
    made = made @ np.diag(np.linspace(0.5, 1.5, 8))

    def frechet(a, b):
        s1, s2 = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
        root = scipy.linalg.sqrtm(s1 @ s2)
        return np.square(a.mean(0) - b.mean(0)).sum() + np.trace(s1 + s2 - 2 * root.real)

    golden.about["frechet"] = repr(float(frechet(real, made)))
    wide = noise("wide", 400, 32).numpy() @ np.diag(np.geomspace(0.05, 3, 32))
    other = noise("other", 300, 32).numpy() @ noise("mix", 32, 32).numpy()
    golden.about["frechet_wide"] = repr(float(frechet(wide, other)))
    half = made[:70]

    def kernel(a, b):
        return (a @ b.T / a.shape[1] + 1) ** 3

    x, y, n = real[:70], half, 70
    off = 1 - np.eye(n)
    golden.about["kernel"] = repr(float((kernel(x, x) * off).sum() / (n * (n - 1)) + (kernel(y, y) * off).sum() / (n * (n - 1))
                                        - 2 * kernel(x, y).mean()))
    for k in (1, 3):
        def radii(a):
            return np.sort(cdist(a, a), 1)[:, k]

        between = cdist(real, made)
        in_real, in_made = between <= radii(real)[:, None], between <= radii(made)[None]
        golden.about[f"fidelity{k}"] = json.dumps([float(in_real.any(0).mean()), float(in_made.any(1).mean()),
                                                   float(in_real.sum(0).mean() / k), float(in_real.any(1).mean())])


def make(save):
    golden = Golden()
    vaes(golden)
    save("vae", golden.tensors, golden.about)
    golden = Golden()
    vqvaes(golden)
    save("vqvae", golden.tensors, golden.about)
    golden = Golden()
    likelihoods(golden)
    distances(golden)
    save("generative_scores", golden.tensors, golden.about)
