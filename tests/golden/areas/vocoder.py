"""Vocos and its discriminators, the losses of vocoders, and DiffWave, written from the papers in plain PyTorch.

Weights and inputs come from hashes, as for pictures; all is computed in doubles.
"""
import json
import math
import pathlib
import sys
import warnings

import librosa
import torch
import torch.nn.functional as F
from torch import nn

warnings.filterwarnings("ignore", message=".*weight_norm.*")
sys.path.insert(0, str(pathlib.Path(__file__).parent))
from generative import Golden, fill, noise, value  # noqa: E402


class ConvNext(nn.Module):
    def __init__(self, dim, mlp):
        super().__init__()
        self.dwconv, self.norm = nn.Conv1d(dim, dim, 7, padding=3, groups=dim), nn.LayerNorm(dim, eps=1e-6)
        self.pwconv1, self.pwconv2 = nn.Linear(dim, mlp), nn.Linear(mlp, dim)
        self.gamma = nn.Parameter(torch.ones(dim))

    def forward(self, x):
        y = self.norm(self.dwconv(x).mT)
        return x + (self.gamma * self.pwconv2(F.gelu(self.pwconv1(y)))).mT


class Backbone(nn.Module):
    def __init__(self, bands, dim, mlp, depth):
        super().__init__()
        self.embed, self.norm = nn.Conv1d(bands, dim, 7, padding=3), nn.LayerNorm(dim, eps=1e-6)
        self.convnext = nn.ModuleList(ConvNext(dim, mlp) for _ in range(depth))
        self.final_layer_norm = nn.LayerNorm(dim, eps=1e-6)

    def forward(self, mel):
        x = self.norm(self.embed(mel).mT).mT
        for block in self.convnext:
            x = block(x)
        return self.final_layer_norm(x.mT)


class Head(nn.Module):
    def __init__(self, dim, n_fft, hop, ends):
        super().__init__()
        self.n_fft, self.hop, self.ends = n_fft, hop, ends
        self.out = nn.Linear(dim, n_fft + 2)

    def forward(self, x):
        size, phase = self.out(x).mT.chunk(2, 1)
        spectrum = size.exp().clip(max=1e2) * torch.exp(1j * torch.atan2(phase.sin(), phase.cos()))
        window = torch.hann_window(self.n_fft, dtype=torch.float64)
        if self.ends == "center":
            return torch.istft(spectrum, self.n_fft, self.hop, self.n_fft, window, center=True)
        frames, edge = spectrum.shape[-1], (self.n_fft - self.hop) // 2
        total = (frames - 1) * self.hop + self.n_fft
        sound, weight = torch.zeros(len(x), total, dtype=torch.float64), torch.zeros(total, dtype=torch.float64)
        pieces = torch.fft.irfft(spectrum, self.n_fft, dim=1)
        for t in range(frames):
            place = slice(t * self.hop, t * self.hop + self.n_fft)
            sound[:, place] += pieces[..., t] * window
            weight[place] += window ** 2
        return sound[:, edge:-edge] / weight[edge:-edge]


class Vocos(nn.Module):
    def __init__(self, bands, dim, mlp, depth, n_fft, hop, ends):
        super().__init__()
        self.backbone, self.head = Backbone(bands, dim, mlp, depth), Head(dim, n_fft, hop, ends)

    def forward(self, mel):
        return self.head(self.backbone(mel))


def normed(i, o, kernel, stride=1):
    return nn.utils.weight_norm(nn.Conv2d(i, o, kernel, stride, tuple(k // 2 for k in kernel)))


class PeriodNet(nn.Module):
    def __init__(self, period, w):
        super().__init__()
        self.period, widths = period, [1, w, 4 * w, 16 * w, 32 * w, 32 * w]
        self.convs = nn.ModuleList(normed(a, b, (5, 1), (3 if i < 4 else 1, 1)) for i, (a, b) in enumerate(zip(widths, widths[1:])))
        self.conv_post = normed(32 * w, 1, (3, 1))

    def forward(self, x):
        x = x[:, None]
        x = F.pad(x, (0, -x.shape[-1] % self.period), "reflect")
        x = x.view(len(x), 1, -1, self.period)
        features = []
        for conv in self.convs:
            x = F.leaky_relu(conv(x), 0.1)
            features.append(x)
        x = self.conv_post(x)
        return x.flatten(1), features[1:] + [x]


class WindowNet(nn.Module):
    def __init__(self, n_fft, w):
        super().__init__()
        self.n_fft = n_fft
        self.convs = nn.ModuleList([normed(1, w, (7, 5), (2, 2)), normed(w, w, (5, 3), (2, 1)), normed(w, w, (5, 3), (2, 2)),
                                    normed(w, w, (3, 3), (2, 1)), normed(w, w, (3, 3), (2, 2))])
        self.conv_post = normed(w, 1, (3, 3))

    def forward(self, x):
        x = torch.stft(x, self.n_fft, self.n_fft // 4, window=torch.ones(self.n_fft, dtype=torch.float64), return_complex=True).abs()[:, None]
        features = []
        for conv in self.convs:
            x = F.leaky_relu(conv(x), 0.1)
            features.append(x)
        x = self.conv_post(x)
        return x.flatten(1), features + [x]


class Several(nn.Module):
    def __init__(self, nets):
        super().__init__()
        self.discriminators = nn.ModuleList(nets)


class Judges(nn.Module):
    def __init__(self, periods, windows, period_width, window_width):
        super().__init__()
        self.multiperioddisc = Several(PeriodNet(p, period_width) for p in periods)
        self.multiresddisc = Several(WindowNet(n, window_width) for n in windows)

    def forward(self, x):
        return [net(x) for net in [*self.multiperioddisc.discriminators, *self.multiresddisc.discriminators]]


def stft_losses(made, real, resolutions):
    far, logs = [], []
    for n_fft, hop, win in resolutions:
        def size(x):
            spectrum = torch.stft(x, n_fft, hop, win, torch.hann_window(win, dtype=torch.float64), return_complex=True)
            return (spectrum.real ** 2 + spectrum.imag ** 2).clamp(min=1e-7).sqrt()
        a, b = size(made), size(real)
        far.append(torch.linalg.norm(b - a) / torch.linalg.norm(b))
        logs.append(F.l1_loss(a.log(), b.log()))
    return torch.stack(far).mean(), torch.stack(logs).mean()


def log_mel(x, rate, n_fft, hop, bands):
    filters = torch.from_numpy(librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=bands)).double()
    spectrum = torch.stft(x, n_fft, hop, n_fft, torch.hann_window(n_fft, dtype=torch.float64), return_complex=True)
    return (filters @ spectrum.abs()).clamp(min=1e-5).log()


class Block(nn.Module):
    def __init__(self, bands, width, dilation):
        super().__init__()
        self.dilated_conv = nn.Conv1d(width, 2 * width, 3, padding=dilation, dilation=dilation)
        self.diffusion_projection = nn.Linear(512, width)
        if bands:
            self.conditioner_projection = nn.Conv1d(bands, 2 * width, 1)
        self.output_projection = nn.Conv1d(width, 2 * width, 1)

    def forward(self, x, step, condition):
        y = self.dilated_conv(x + self.diffusion_projection(step)[..., None])
        if condition is not None:
            y = y + self.conditioner_projection(condition)
        gate, what = y.chunk(2, 1)
        on, kept = self.output_projection(gate.sigmoid() * what.tanh()).chunk(2, 1)
        return (x + on) / math.sqrt(2), kept


class Steps(nn.Module):
    def __init__(self):
        super().__init__()
        self.projection1, self.projection2 = nn.Linear(128, 512), nn.Linear(512, 512)

    def forward(self, steps):
        table = torch.arange(60)[:, None] * 10.0 ** (torch.arange(64)[None] * 4.0 / 63.0)  # float32, as published
        table = torch.cat([table.sin(), table.cos()], 1)
        low, high = table[steps.floor().long()].double(), table[steps.ceil().long()].double()
        x = low + (high - low) * (steps - steps.floor()).double()[:, None]
        return F.silu(self.projection2(F.silu(self.projection1(x))))


class Upsampler(nn.Module):
    def __init__(self, up):
        super().__init__()
        for i, times in enumerate(up):
            setattr(self, f"conv{i + 1}", nn.ConvTranspose2d(1, 1, (3, 2 * times), (1, times), (1, times // 2)))

    def forward(self, mel):
        x = mel[:, None]
        for conv in self.children():
            x = F.leaky_relu(conv(x), 0.4)
        return x[:, 0]


class DiffWave(nn.Module):
    def __init__(self, bands, classes, width, depth, cycle, up):
        super().__init__()
        self.input_projection, self.diffusion_embedding = nn.Conv1d(1, width, 1), Steps()
        if classes:
            self.class_embedding = nn.Embedding(classes + 1, 512)
        if bands:
            self.spectrogram_upsampler = Upsampler(up)
        self.residual_layers = nn.ModuleList(Block(bands, width, 2 ** (i % cycle)) for i in range(depth))
        self.skip_projection, self.output_projection = nn.Conv1d(width, width, 1), nn.Conv1d(width, 1, 1)

    def forward(self, sound, steps, mel, labels):
        condition = self.spectrogram_upsampler(mel)[..., :sound.shape[1]] if mel is not None else None
        step = self.diffusion_embedding(steps)
        if labels is not None:
            step = step + self.class_embedding(labels)
        x, kept = F.relu(self.input_projection(sound[:, None])), []
        for block in self.residual_layers:
            x, skip = block(x, step, condition)
            kept.append(skip)
        return self.output_projection(F.relu(self.skip_projection(sum(kept) / math.sqrt(len(kept)))))[:, 0]


def vocoders(golden):
    for ends, hop in (("center", 10), ("same", 8)):
        model = fill(Vocos(6, 12, 20, 2, 32, hop, ends))
        with torch.no_grad():
            model.head.out.weight.mul_(3)  # so that some magnitudes are clipped
        mel = noise("mel", 3, 6, 9).requires_grad_()
        sound = model(mel)
        golden.put(f"vocos/{ends}", sound)
        (sound * value("probe", *sound.shape)).sum().backward()
        golden.gradients(f"vocos/{ends}/gradients", model, mel=mel)
        golden.about[f"vocos/{ends}"] = json.dumps({"hop": hop, "weights": list(model.state_dict())})


def judges(golden):
    model = fill(Judges((2, 3), (64, 32), 2, 3))
    real, made = noise("real", 2, 401) * 0.3, (noise("made", 2, 401) * 0.3).requires_grad_()
    one, other = model(real), model(made)
    golden.about["judges"] = json.dumps(list(model.state_dict()))
    for i, (logits, features) in enumerate(other):
        golden.put(f"judges/logits{i}", logits)
        golden.put(f"judges/features{i}", torch.stack([f.norm() for f in features]))
    count = len(one)
    golden.put("judges/loss", sum((1 - r).relu().mean() + (1 + m).relu().mean() for (r, _), (m, _) in zip(one, other)) / count)
    adversarial = sum(-m.mean() for m, _ in other) / count
    matching = sum((f.detach() - g).abs().mean() for (_, a), (_, b) in zip(one, other) for f, g in zip(a, b)) / count
    golden.put("judges/adversarial", adversarial)
    golden.put("judges/matching", matching)
    (adversarial + 2 * matching).backward()
    golden.gradients("judges/gradients", model, made=made)


def losses(golden):
    real, made = noise("real", 2, 900) * 0.2, (noise("made", 2, 900) * 0.2).requires_grad_()
    far, logs = stft_losses(made, real, ((128, 16, 100), (256, 40, 256), (64, 10, 50)))
    bands = F.l1_loss(log_mel(made, 8000, 128, 32, 10), log_mel(real, 8000, 128, 32, 10))
    golden.put("losses", torch.stack([far, logs, bands]))
    (far + 2 * logs + 3 * bands).backward()
    golden.put("losses/gradient", made.grad)


def diffwaves(golden):
    for name, bands, classes, depth in (("mel", 5, 0, 3), ("class", 0, 4, 4), ("both", 5, 4, 3), ("neither", 0, 0, 2)):
        model = fill(DiffWave(bands, classes, 6, depth, 3, (4, 6)))
        sound = noise("sound", 3, 70).requires_grad_()
        mel = noise("mel", 3, bands, 3) if bands else None
        labels = torch.tensor([0, 4, 2]) if classes else None
        steps = torch.tensor([0.0, 17.0, 42.25])
        out = model(sound, steps, mel, labels)
        golden.put(f"diffwave/{name}", out)
        (out * value("probe", *out.shape)).sum().backward()
        golden.gradients(f"diffwave/{name}/gradients", model, sound=sound)
        golden.about[f"diffwave/{name}"] = json.dumps({"bands": bands, "classes": classes, "depth": depth, "weights": list(model.state_dict())})


def make(save):
    golden = Golden()
    vocoders(golden)
    judges(golden)
    losses(golden)
    diffwaves(golden)
    save("vocoder", golden.tensors, golden.about)
