"""librosa's mel filters and spectrograms."""
import librosa
import numpy as np
import torch


def make(save):
    tensors = {}
    for name, rate, window, hop, bands, length in (("speech", 8000, 256, 80, 40, 3000), ("music", 22050, 512, 160, 24, 4001)):
        filters = librosa.filters.mel(sr=rate, n_fft=window, n_mels=bands)
        samples = (torch.randn(length) * torch.linspace(0, 0.5, length) + torch.sin(torch.arange(length) * 0.3)).numpy()
        mel = librosa.feature.melspectrogram(y=samples, sr=rate, n_fft=window, hop_length=hop, n_mels=bands,
                                             pad_mode="reflect")
        tensors[f"{name}/filters"] = torch.from_numpy(filters)
        tensors[f"{name}/samples"] = torch.from_numpy(samples)
        tensors[f"{name}/log_mel"] = torch.from_numpy(np.log(mel + 1e-6))
    save("sound", tensors, {"reference": f"librosa {librosa.__version__}"})
