"""Spectra, their inverse, bands, cepstra, phases and other rates: librosa's and PyTorch's, and formulas in float64."""
import math

import librosa
import numpy as np
import torch

TIMES = 1500


def signal(length=TIMES):
    t = torch.arange(length, dtype=torch.float64)
    return (0.4 * torch.sin(t * 0.07 + 3e-5 * t * t) + 0.2 * torch.sin(t * 1.1) + 0.1 * torch.randn(length, dtype=torch.float64)).float()


def resampled(x, old, new, zeros=6, rolloff=0.99):
    """torchaudio's formula (sinc_interp_hann), sample by sample in float64."""
    common = math.gcd(old, new)
    old, new = old // common, new // common
    base = min(old, new) * rolloff
    places, out = np.arange(len(x)), []
    for n in range(math.ceil(len(x) * new / old)):
        t = np.clip((places / old - n / new) * base, -zeros, zeros)
        out.append((x * np.sinc(t) * np.cos(t * np.pi / zeros / 2) ** 2).sum() * base / old)
    return torch.tensor(np.array(out))


def make(save):
    x = signal()
    tensors = {"signal": x}
    y = x.numpy()
    for name, n_fft, win, hop, mode in (("plain", 128, 128, 32, "reflect"), ("odd", 96, 75, 31, "constant"), ("wide", 256, 100, 50, "reflect")):
        spectrum = torch.stft(x, n_fft, hop, win, torch.hann_window(win), center=True, pad_mode=mode, return_complex=True)
        theirs = librosa.stft(y, n_fft=n_fft, hop_length=hop, win_length=win, pad_mode=mode)
        assert np.abs(theirs - spectrum.numpy()).max() < 1e-4
        tensors[f"stft/{name}"] = torch.view_as_real(spectrum)[:, ::3]
        # Of a spectrum that is no signal's own, where the division by the windows' sum tells.
        bent = spectrum * torch.polar(torch.ones_like(spectrum.real), torch.arange(spectrum.shape[1]) * 0.3)
        tensors[f"istft/{name}"] = torch.istft(bent, n_fft, hop, win, torch.hann_window(win), center=True)
        assert np.abs(librosa.istft(bent.numpy(), hop_length=hop, win_length=win, n_fft=n_fft) - tensors[f"istft/{name}"].numpy()).max() < 1e-4
    for scale in (False, True):
        for norm in ("slaney", None):
            tensors[f"filters/{'htk' if scale else 'slaney'}/{norm or 'none'}"] = torch.from_numpy(
                librosa.filters.mel(sr=16000, n_fft=128, n_mels=12, fmin=100, fmax=7000, htk=scale, norm=norm))
    for name, options in (("plain", {}), ("liftered", {"lifter": 22}), ("htk", {"htk": True, "mel_norm": None})):
        tensors[f"mfcc/{name}"] = torch.from_numpy(librosa.feature.mfcc(
            y=y, sr=8000, n_mfcc=13, n_mels=20, n_fft=256, hop_length=80, pad_mode="reflect", **options))
    # A gradient of the bands' magnitudes, by PyTorch's own transform.
    z = x[:400].double().requires_grad_()
    filters = torch.from_numpy(librosa.filters.mel(sr=8000, n_fft=64, n_mels=10)).double()
    mel = filters @ torch.stft(z, 64, 16, 64, torch.hann_window(64, dtype=torch.float64), return_complex=True).abs()
    (mel * torch.arange(mel.numel()).view_as(mel).cos()).sum().backward()
    tensors["mel/magnitudes"], tensors["mel/gradient"] = mel.detach(), z.grad
    magnitude = np.abs(librosa.stft(y[:800], n_fft=64, hop_length=16, pad_mode="constant"))
    rng = np.random.RandomState(3)
    tensors["griffin_lim/phases"] = torch.from_numpy(rng.random_sample(magnitude.shape)).float()
    tensors["griffin_lim/magnitude"] = torch.from_numpy(magnitude)

    class Given(np.random.RandomState):
        """librosa asks a generator for its phases; this one has them already."""
        def random(self, size=None):
            return tensors["griffin_lim/phases"].numpy().astype(np.float64)

    for momentum in (0.0, 0.99):
        tensors[f"griffin_lim/{momentum:g}"] = torch.from_numpy(librosa.griffinlim(
            magnitude, n_iter=8, hop_length=16, n_fft=64, momentum=momentum, pad_mode="constant", random_state=Given(0)))
    z = x[:700].double().numpy()
    for old, new in ((8000, 16000), (44100, 8000), (16000, 11025), (8000, 8001), (48000, 44100)):
        tensors[f"resample/{old}/{new}"] = resampled(z, old, new)
    real = x.double().numpy()
    made = np.ascontiguousarray(real[::-1]) * 0.8
    far = logs = 0.0
    for n_fft, hop, win in ((256, 40, 200), (512, 80, 400), (128, 16, 80)):
        a, b = (np.sqrt(np.maximum(np.abs(librosa.stft(s, n_fft=n_fft, hop_length=hop, win_length=win, pad_mode="reflect")) ** 2, 1e-7))
                for s in (made, real))
        far += np.linalg.norm(b - a) / np.linalg.norm(b) / 3
        logs += np.abs(np.log(a) - np.log(b)).mean() / 3
    a, b = (10 * np.log10(librosa.feature.melspectrogram(y=s, sr=8000, n_fft=256, hop_length=80, n_mels=40, pad_mode="reflect") + 1e-6)
            for s in (made, real))
    tensors["distances"] = torch.tensor([far + logs, np.abs(a - b).mean()], dtype=torch.float64)
    save("sound_ops", tensors, {"reference": f"librosa {librosa.__version__}, PyTorch {torch.__version__}"})
