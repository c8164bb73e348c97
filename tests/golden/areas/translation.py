"""The encoder-decoder of "Attention Is All You Need" and a text classifier, made of PyTorch's own layers: logits, loss,
gradients, and how large the presets are."""
import json
import math
import pathlib

import torch
import torch.nn.functional as F
import transformers
from torch import nn

VOCABULARY, DIM, HEADS, MLP, LAYERS, CLASSES = 17, 8, 2, 12, 2, 3


def sines(length, dim):
    place = torch.arange(length).unsqueeze(1)
    rate = torch.exp(-math.log(10000) * torch.arange(0, dim, 2) / dim)
    return torch.stack([torch.sin(place * rate), torch.cos(place * rate)], -1).flatten(1)


class Transformer(nn.Module):
    """Shared embeddings times sqrt(dim) plus sines; the output is the embedding once more. Post-norm has no last norms."""

    def __init__(self, vocabulary=VOCABULARY, dim=DIM, heads=HEADS, mlp=MLP, layers=LAYERS, pre_norm=False, tied=True):
        super().__init__()
        options = dict(d_model=dim, nhead=heads, dim_feedforward=mlp, dropout=0.0, batch_first=True, norm_first=pre_norm)
        last = lambda: nn.LayerNorm(dim) if pre_norm else None
        self.embedding = nn.Embedding(vocabulary, dim)
        self.transformer = nn.Transformer(
            dim, heads, batch_first=True,
            custom_encoder=nn.TransformerEncoder(nn.TransformerEncoderLayer(**options), layers, last(),
                                                 enable_nested_tensor=False),
            custom_decoder=nn.TransformerDecoder(nn.TransformerDecoderLayer(**options), layers, last()))
        if not tied:
            self.output = nn.Linear(dim, vocabulary, bias=False)

    def embed(self, tokens):
        dim = self.embedding.embedding_dim
        return self.embedding(tokens) * math.sqrt(dim) + sines(tokens.shape[1], dim)

    def forward(self, source, lengths, target):
        padding = torch.arange(source.shape[1]) >= lengths.unsqueeze(1)
        causal = torch.ones(target.shape[1], target.shape[1], dtype=torch.bool).triu(1)
        features = self.transformer(self.embed(source), self.embed(target), tgt_mask=causal,
                                    src_key_padding_mask=padding, memory_key_padding_mask=padding)
        return self.output(features) if hasattr(self, "output") else features @ self.embedding.weight.T


class TextEncoder(nn.Module):
    """Embeddings times sqrt(dim) plus sines, pre-norm layers, a last norm, the mean over the text, a linear head."""

    def __init__(self, vocabulary=VOCABULARY, dim=DIM, heads=HEADS, mlp=MLP, layers=LAYERS, classes=CLASSES):
        super().__init__()
        layer = nn.TransformerEncoderLayer(dim, heads, mlp, 0.0, "gelu", batch_first=True, norm_first=True)
        self.embedding = nn.Embedding(vocabulary, dim)
        self.encoder = nn.TransformerEncoder(layer, layers, nn.LayerNorm(dim), enable_nested_tensor=False)
        self.head = nn.Linear(dim, classes)

    def forward(self, ids, lengths):
        padding = torch.arange(ids.shape[1]) >= lengths.unsqueeze(1)
        dim = self.embedding.embedding_dim
        x = self.encoder(self.embedding(ids) * math.sqrt(dim) + sines(ids.shape[1], dim), src_key_padding_mask=padding)
        return self.head(x.masked_fill(padding.unsqueeze(-1), 0).sum(1) / lengths.unsqueeze(1))


def presets():
    """How large the presets are, by the same nets in PyTorch."""
    sizes = {"transformer": Transformer(37000, 512, 8, 2048, 6), "transformer_big": Transformer(37000, 1024, 16, 4096, 6),
             "text_encoder": TextEncoder(8000, 128, 4, 256, 2, 2)}
    bert = transformers.BertForSequenceClassification(transformers.BertConfig(num_labels=2))
    sizes["bert_classifier"] = bert
    encoder = sizes["bert_encoder"] = transformers.BertModel(transformers.BertConfig(), add_pooling_layer=False)
    return {name: {"parameters": sum(p.numel() for p in model.parameters()), "source": f"transformers {transformers.__version__}" if model in (bert, encoder) else "tests/golden/areas/translation.py"}
            for name, model in sizes.items()}


def backward(tensors, name, model, call, answers, smoothing):
    for key, parameter in model.named_parameters():
        nn.init.normal_(parameter, std=0.3)
        if "norm" in key and key.endswith("weight"):
            parameter.data += 1
    logits = call(model)
    loss = F.cross_entropy(logits.flatten(0, -2), answers.flatten(), label_smoothing=smoothing)
    loss.backward()
    tensors[f"{name}/logits"], tensors[f"{name}/loss"] = logits, loss
    for key, parameter in model.named_parameters():
        tensors[f"{name}/weights/{key}"], tensors[f"{name}/gradients/{key}"] = parameter, parameter.grad


def make(save):
    tensors = {}
    source, lengths = torch.randint(1, VOCABULARY, (3, 7)), torch.tensor([7, 4, 1])
    target, answers = torch.randint(1, VOCABULARY, (3, 5)), torch.randint(1, VOCABULARY, (3, 5))
    labels = torch.tensor([0, 2, 1])
    tensors.update(source=source, lengths=lengths, target=target, answers=answers, labels=labels)
    for name, model in (("paper", Transformer()), ("pre_norm", Transformer(pre_norm=True)),
                        ("untied", Transformer(pre_norm=True, tied=False))):
        backward(tensors, name, model, lambda model: model(source, lengths, target), answers, 0.1)
    backward(tensors, "text_encoder", TextEncoder(), lambda model: model(source, lengths), labels, 0.0)
    save("translation", tensors)
    path = pathlib.Path(__file__).parent.parent / "translation.json"
    path.write_text(json.dumps(presets(), indent=1) + "\n")
    print(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB")
