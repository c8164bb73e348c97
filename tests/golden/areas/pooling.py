"""Sentence vectors: a small BERT's states by transformers, pooled as sentence-transformers does it, and the gradients."""
import json
import pathlib
import sys

import torch
import transformers

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from language import bert_config, fill  # noqa: E402
from vision import uniform  # noqa: E402


def pooled(states, mask, mode):
    """The formulas of sentence_transformers.models.Pooling."""
    there = mask.unsqueeze(-1).to(states.dtype)
    if mode == "cls":
        return states[:, 0]
    if mode == "max":
        return states.masked_fill(there == 0, -1e9).max(1).values
    if mode == "last":
        return states[torch.arange(len(states)), mask.sum(1) - 1]
    total, count = (states * there).sum(1), there.sum(1).clamp(min=1e-9)
    return total / (count if mode == "mean" else count.sqrt())


def make(save):
    tensors = {"input_ids": torch.tensor([[2, 4, 1, 5, 9, 7, 3], [2, 6, 5, 3, 0, 0, 0]]),
               "attention_mask": torch.tensor([[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0, 0]])}
    shape = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=4, intermediate_size=24, vocab_size=13, max_position_embeddings=10)
    model = fill(transformers.BertModel(bert_config(**shape), add_pooling_layer=False))
    order = [[name, list(p.shape)] for name, p in model.named_parameters()]
    for kind, dtype in (("", torch.float32), ("double/", torch.float64)):
        model = model.to(dtype)
        for mode in ("mean", "cls", "max", "last", "root_mean"):
            for normalize in (False, True):
                model.zero_grad()
                vectors = pooled(model(**{k: tensors[k] for k in ("input_ids", "attention_mask")}).last_hidden_state, tensors["attention_mask"], mode)
                if normalize:
                    vectors = torch.nn.functional.normalize(vectors, p=2, dim=1)
                name = f"{kind}{mode}{'/normalized' if normalize else ''}"
                tensors[name] = vectors
                (vectors * uniform("target", tuple(vectors.shape)).to(dtype)).sum().backward()
                if (mode, normalize) in (("mean", True), ("max", False)):
                    tensors[f"{name}/gradients"] = torch.cat([p.grad.flatten() for p in model.parameters()])
    save("pooling", tensors, {"weights": json.dumps(order), "of": f"transformers {transformers.__version__}"})
