"""nn.MultiheadAttention, TransformerEncoderLayer, TransformerDecoderLayer and nn.Transformer under every kind of mask;
rotary positions, relative buckets and norms of transformers."""
import json

import torch
import transformers
from torch import nn
from transformers.models.llama.modeling_llama import LlamaRMSNorm, LlamaRotaryEmbedding, apply_rotary_pos_emb
from transformers.models.t5.modeling_t5 import T5Attention

DIM, HEADS, MLP = 8, 2, 12


def randomise(module):
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.4)
    for name, parameter in module.named_parameters():
        if "norm" in name and name.endswith("weight"):
            parameter.data += 1
    return module


def masks(kind, queries, keys):
    """attn_mask and key_padding_mask; every query keeps a key."""
    causal = torch.ones(queries, keys, dtype=torch.bool).triu(1)
    bools = torch.rand(queries, keys) < 0.4
    bools[:, 0] = False
    padding = torch.zeros(2, keys, dtype=torch.bool)
    padding[1, keys - 2:] = True
    minus = torch.zeros(2, keys).masked_fill(padding, -torch.inf)
    return {"none": {}, "bool": {"attn": bools}, "float": {"attn": torch.randn(queries, keys)},
            "causal": {"attn": causal}, "padding": {"padding": padding}, "bool_padding": {"attn": bools, "padding": padding},
            "float_padding": {"attn": torch.randn(queries, keys), "padding": minus},
            "causal_padding": {"attn": causal, "padding": padding}}[kind]


def case(tensors, about, name, module, inputs, call, given, **facts):
    """Output and all gradients of a weighted sum of it."""
    module.zero_grad()
    leaves = {key: value.clone().requires_grad_() for key, value in inputs.items()}
    out = call(module, **leaves)
    weigh = torch.randn_like(out)
    (out * weigh).sum().backward()
    for key, value in leaves.items():
        tensors[f"{name}/input/{key}"] = value
        tensors[f"{name}/input_gradient/{key}"] = value.grad
    for key, value in given.items():
        tensors[f"{name}/mask/{key}"] = value
    tensors[f"{name}/gradients"] = torch.cat([p.grad.flatten() for p in module.parameters()])  # as the weights lie
    tensors[f"{name}/out"], tensors[f"{name}/weigh"] = out, weigh
    about[name] = facts


def weights(tensors, order, name, module):
    """The parameters, and their order."""
    order[name] = [key for key, _ in module.named_parameters()]
    for key, value in module.named_parameters():
        tensors[f"{name}/weights/{key}"] = value


def attention(tensors, about, order):
    module = randomise(nn.MultiheadAttention(DIM, HEADS, batch_first=True))
    weights(tensors, order, "attention", module)
    for kind in ("none", "bool", "float", "causal", "padding", "bool_padding", "float_padding"):
        given = masks(kind, 5, 5)
        case(tensors, about, f"self_{kind}", module, {"x": torch.randn(2, 5, DIM)},
             lambda m, x: m(x, x, x, attn_mask=given.get("attn"), key_padding_mask=given.get("padding"))[0], given, of="attention")
        given = masks(kind, 4, 6)
        case(tensors, about, f"cross_{kind}", module,
             {"q": torch.randn(2, 4, DIM), "k": torch.randn(2, 6, DIM), "v": torch.randn(2, 6, DIM)},
             lambda m, q, k, v: m(q, k, v, attn_mask=given.get("attn"), key_padding_mask=given.get("padding"))[0], given, of="attention")
    x, given = torch.randn(2, 5, DIM), masks("bool_padding", 5, 5)
    _, looked = module(x, x, x, attn_mask=given["attn"], key_padding_mask=given["padding"], average_attn_weights=False)
    tensors.update({"looked/x": x, "looked/mask/attn": given["attn"], "looked/mask/padding": given["padding"], "looked/weights": looked})


def layers(tensors, about, order):
    for first in (False, True):
        for activation in ("relu", "gelu"):
            of = f"encoder_{'pre' if first else 'post'}_{activation}"
            module = randomise(nn.TransformerEncoderLayer(DIM, HEADS, MLP, 0, activation, batch_first=True, norm_first=first))
            weights(tensors, order, of, module)
            kinds = ("none", "bool", "float", "causal_padding") if activation == "relu" else ("float_padding",)
            for kind in kinds:
                given = masks(kind, 5, 5)
                case(tensors, about, f"{of}_{kind}", module, {"x": torch.randn(2, 5, DIM)},
                     lambda m, x: m(x, src_mask=given.get("attn"), src_key_padding_mask=given.get("padding")), given,
                     of=of, norm_first=first, activation=activation)
        of = f"decoder_{'pre' if first else 'post'}"
        module = randomise(nn.TransformerDecoderLayer(DIM, HEADS, MLP, 0, "relu", batch_first=True, norm_first=first))
        weights(tensors, order, of, module)
        for kind in ("none", "causal", "bool_padding", "float_padding"):
            given, memory = masks(kind, 4, 4), masks(kind.replace("causal", "padding"), 4, 6)
            both = {**given, **{"memory_" + key: value for key, value in memory.items()}}
            case(tensors, about, f"{of}_{kind}", module, {"x": torch.randn(2, 4, DIM), "memory": torch.randn(2, 6, DIM)},
                 lambda m, x, memory: m(x, memory, tgt_mask=both.get("attn"), tgt_key_padding_mask=both.get("padding"),
                                        memory_mask=both.get("memory_attn"), memory_key_padding_mask=both.get("memory_padding")),
                 both, of=of, norm_first=first, activation="relu")


def whole(tensors, about, order):
    for first in (False, True):
        of = f"transformer_{'pre' if first else 'post'}"
        module = randomise(nn.Transformer(DIM, HEADS, 2, 1, MLP, 0, "relu", batch_first=True, norm_first=first))
        weights(tensors, order, of, module)
        source, target = masks("padding", 6, 6), masks("causal_padding", 4, 4)
        given = {"padding": source["padding"], "target_padding": target["padding"]}
        case(tensors, about, of, module, {"source": torch.randn(2, 6, DIM), "target": torch.randn(2, 4, DIM)},
             lambda m, source, target: m(source, target, tgt_mask=torch.ones(4, 4, dtype=torch.bool).triu(1),
                                         src_key_padding_mask=given["padding"], memory_key_padding_mask=given["padding"],
                                         tgt_key_padding_mask=given["target_padding"]), given, of=of, norm_first=first)


def positions(tensors):
    q, k, places = torch.randn(1, 2, 5, 8), torch.randn(1, 2, 5, 8), torch.tensor([[0, 1, 7, 90, 1000]])
    tensors.update({"rotary/q": q, "rotary/k": k, "rotary/positions": places[0]})
    for name, scaling in (("none", {"rope_type": "default", "rope_theta": 10000.0}),
                          ("linear", {"rope_type": "linear", "factor": 4.0, "rope_theta": 500000.0})):
        config = transformers.LlamaConfig(hidden_size=16, num_attention_heads=2, rope_parameters=scaling)
        cosine, sine = LlamaRotaryEmbedding(config)(q, places)
        tensors[f"rotary/{name}/q"], tensors[f"rotary/{name}/k"] = apply_rotary_pos_emb(q, k, cosine, sine)
    distance = torch.arange(-300, 301, 7)
    tensors["relative/distance"] = distance
    for name, both in (("both", True), ("back", False)):
        tensors[f"relative/{name}"] = T5Attention._relative_position_bucket(distance, both, 32, 128)
    norm = LlamaRMSNorm(8, eps=1e-5)
    norm.weight.data.normal_()
    x = torch.randn(3, 8)
    tensors.update({"rms/x": x, "rms/weight": norm.weight, "rms/out": norm(x)})


def make(save):
    tensors, about, order = {}, {}, {}
    attention(tensors, about, order)
    layers(tensors, about, order)
    whole(tensors, about, order)
    positions(tensors)
    save("nn", tensors, {"cases": json.dumps(about), "order": json.dumps(order)})
