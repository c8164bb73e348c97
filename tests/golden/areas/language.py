"""Language models of transformers: outputs and gradients of small ones, names, shapes and sizes of every preset.

Weights are not kept: a hash of a tensor's name gives its values, as for pictures.
"""
import json
import pathlib
import sys

import torch
import transformers

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from vision import uniform, weight  # noqa: E402

SOURCE = f"transformers {transformers.__version__}"


def fill(model):
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            tensor.copy_(weight(name, tuple(tensor.shape)).float())
    return model.eval()


def case(tensors, about, name, model, settings, inputs, of):
    """Logits, and the gradients of a weighted sum of them, of all parameters one after the other."""
    fill(model)
    logits = model(**inputs).logits
    (logits * uniform("target", tuple(logits.shape)).float()).sum().backward()
    tensors.update({f"{name}/{key}": value for key, value in inputs.items()})
    tensors[f"{name}/logits"] = logits
    tensors[f"{name}/gradients"] = torch.cat([p.grad.flatten() for p in model.parameters()])
    about[name] = json.dumps({"of": of, "settings": settings,
                              "weights": [[key, list(p.shape)] for key, p in model.named_parameters()]})


def gpt2(**settings):
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(bos_token_id=0, eos_token_id=0, resid_pdrop=0, embd_pdrop=0, attn_pdrop=0,
                                                                attn_implementation="eager", **settings))


def llama(**settings):
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(attn_implementation="eager", **settings))


def bert_config(**settings):
    return transformers.BertConfig(hidden_dropout_prob=0, attention_probs_dropout_prob=0, attn_implementation="eager", **settings)


def presets():
    """Name -> maker with `layers` of them."""
    sizes = {"gpt2": (768, 12, 12), "gpt2-medium": (1024, 24, 16), "gpt2-large": (1280, 36, 20), "gpt2-xl": (1600, 48, 25)}
    out = {name: (depth, lambda n, d=dim, h=heads: gpt2(n_embd=d, n_layer=n, n_head=h)) for name, (dim, depth, heads) in sizes.items()}
    out["gpt"] = (6, lambda n: gpt2(vocab_size=256, n_positions=256, n_embd=384, n_layer=n, n_head=6))
    llamas = {"llama": (288, 6, 6, 6, 768, 32000, True), "smollm2-135m": (576, 30, 9, 3, 1536, 49152, True),
              "tinyllama-1.1b": (2048, 22, 32, 4, 5632, 32000, False), "llama2-7b": (4096, 32, 32, 32, 11008, 32000, False)}
    for name, (dim, depth, heads, shared, mlp, words, tied) in llamas.items():
        out[name] = (depth, lambda n, s=(dim, heads, shared, mlp, words, tied): llama(
            hidden_size=s[0], num_hidden_layers=n, num_attention_heads=s[1], num_key_value_heads=s[2], intermediate_size=s[3],
            vocab_size=s[4], tie_word_embeddings=s[5]))
    berts = {"bert": (256, 4, 4, 1024, 256, 128), "bert-base": (768, 12, 12, 3072, 30522, 512), "bert-large": (1024, 24, 16, 4096, 30522, 512)}
    for name, (dim, depth, heads, mlp, words, context) in berts.items():
        out[name] = (depth, lambda n, s=(dim, heads, mlp, words, context): transformers.BertForMaskedLM(bert_config(
            hidden_size=s[0], num_hidden_layers=n, num_attention_heads=s[1], intermediate_size=s[2], vocab_size=s[3], max_position_embeddings=s[4])))
    return out


def shapes():
    out = {}
    for name, (depth, make) in presets().items():
        with torch.device("meta"):
            one, whole = make(1), make(depth)
        weights = {key: list(value.shape) for key, value in one.named_parameters()}
        if name == "gpt":  # without biases, as nanoGPT has it
            weights = {key: shape for key, shape in weights.items() if not key.endswith("bias")}
        parameters = sum(p.numel() for key, p in whole.named_parameters() if name != "gpt" or not key.endswith("bias"))
        out[name] = {"parameters": parameters, "source": SOURCE, "weights": [[key, shape] for key, shape in weights.items()]}
    lines = [f' "{name}": {{\n' + ",\n".join(f'  "{k}": {json.dumps(v)}' for k, v in entry.items()) + "\n }" for name, entry in out.items()]
    pathlib.Path(__file__).parents[1].joinpath("language.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


def filters(tensors, about):
    """Logits after repetition penalty, temperature, top-k and top-p, in the order of transformers' generate()."""
    logits, seen = torch.randn(40) * 3, torch.tensor([3, 8, 3, 21])
    tensors.update({"filters/logits": logits, "filters/seen": seen})
    cases = {"penalty": (1, 0, 1, 1.3), "temperature": (0.6, 0, 1, 1), "top_k": (1, 7, 1, 1), "top_p": (1, 0, 0.8, 1),
             "all": (0.8, 12, 0.9, 1.2)}
    for name, (temperature, top_k, top_p, penalty) in cases.items():
        scores, ids = logits[None].clone(), seen[None]
        steps = [transformers.RepetitionPenaltyLogitsProcessor(penalty)] if penalty != 1 else []
        steps += [transformers.TemperatureLogitsWarper(float(temperature))] if temperature != 1 else []
        steps += [transformers.TopKLogitsWarper(top_k)] if top_k else []
        steps += [transformers.TopPLogitsWarper(top_p)] if top_p < 1 else []
        for step in steps:
            scores = step(ids, scores)
        tensors[f"filters/{name}"] = scores[0]
        about[f"filters/{name}"] = json.dumps([temperature, top_k, top_p, penalty])


def make(save):
    shapes()
    tensors, about = {}, {}
    filters(tensors, about)
    ids = torch.tensor([[3, 1, 4, 1, 5, 9, 2], [6, 5, 3, 5, 8, 9, 7]])
    small = "dim = 16\ndepth = 2\nvocabulary = 13\ncontext = 10\n"
    case(tensors, about, "gpt2", gpt2(n_embd=16, n_layer=2, n_head=4, vocab_size=13, n_positions=10, n_inner=24),
         small + "heads = 4\nmlp = 24", {"input_ids": ids}, "gpt2")
    case(tensors, about, "llama", llama(hidden_size=16, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=20,
                                        vocab_size=13, max_position_embeddings=10, rms_norm_eps=1e-5, rope_parameters={"rope_type": "default", "rope_theta": 5e5}),
         small + "heads = 4\nkv_heads = 2\nmlp = 20\ntied = false\nrotary.base = 5e5", {"input_ids": ids}, "llama")
    # Rotary positions scaled so that of the three frequencies between, one is mixed; biases of all kinds.
    shared = dict(hidden_size=24, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1, intermediate_size=20, vocab_size=13,
                  max_position_embeddings=10, rms_norm_eps=1e-5)
    grouped = "dim = 24\ndepth = 1\nvocabulary = 13\ncontext = 10\nheads = 2\nkv_heads = 1\nmlp = 20\n"
    scaled = {"rope_type": "llama3", "rope_theta": 100.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
              "original_max_position_embeddings": 16}
    case(tensors, about, "llama3", llama(attention_bias=True, mlp_bias=True, tie_word_embeddings=True, rope_parameters=scaled, **shared),
         grouped + "attention_bias = 'all'\nmlp_bias = true\n"
         "rotary = {base = 100.0, scaling = 'llama3', factor = 8.0, low = 1.0, high = 4.0, original = 16}", {"input_ids": ids}, "llama")
    case(tensors, about, "qwen2", transformers.Qwen2ForCausalLM(transformers.Qwen2Config(
        attn_implementation="eager", tie_word_embeddings=True, rope_parameters={"rope_type": "default", "rope_theta": 1e4}, **shared)),
         grouped + "attention_bias = 'qkv'", {"input_ids": ids}, "llama")
    shape = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=4, intermediate_size=24, vocab_size=13, max_position_embeddings=10)
    inputs = {"input_ids": ids, "token_type_ids": torch.tensor([[0, 0, 0, 1, 1, 1, 1], [0, 0, 0, 0, 1, 1, 1]]),
              "attention_mask": torch.tensor([[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0, 0]])}
    settings = small + "heads = 4\nmlp = 24\ndropout = 0"
    case(tensors, about, "bert_words", transformers.BertForMaskedLM(bert_config(**shape)), settings, inputs, "bert-base")
    case(tensors, about, "bert_classes", transformers.BertForSequenceClassification(bert_config(num_labels=3, **shape)), settings, inputs, "bert-base")
    save("language", tensors, about)
