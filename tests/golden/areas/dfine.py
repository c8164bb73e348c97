"""D-FINE of Hugging Face transformers: sizes of all five, outputs, losses and gradients of two small ones.

Weights come from names' hashes. Losses are those of the class as it stands (pairing "transformers") and those of its
criterion when every layer's boxes stand beside its own distributions ("own").
"""
import json
import pathlib
import sys

import torch
import transformers
from transformers import DFineConfig, DFineForObjectDetection, HGNetV2Config, RTDetrImageProcessor
from transformers.loss.loss_d_fine import DFineLoss

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from vision import fnv1a, uniform, weight  # noqa: E402

SOURCE = f"transformers {transformers.__version__}"
NARROW = dict(stem_channels=[3, 16, 16], stage_in_channels=[16, 64, 256, 512], stage_mid_channels=[16, 32, 64, 128],
              stage_out_channels=[64, 256, 512, 1024], stage_num_blocks=[1, 1, 2, 1], stage_numb_of_layers=[3] * 4,
              use_learnable_affine_block=True)
NETWORKS = {
    "n": NARROW, "s": NARROW,
    "m": dict(stem_channels=[3, 24, 32], stage_in_channels=[32, 96, 384, 768], stage_mid_channels=[32, 64, 128, 256],
              stage_out_channels=[96, 384, 768, 1536], stage_num_blocks=[1, 1, 3, 1], stage_numb_of_layers=[4] * 4,
              use_learnable_affine_block=True),
    "l": dict(stem_channels=[3, 32, 48], stage_in_channels=[48, 128, 512, 1024], stage_mid_channels=[48, 96, 192, 384],
              stage_out_channels=[128, 512, 1024, 2048], stage_num_blocks=[1, 1, 3, 1], stage_numb_of_layers=[6] * 4),
    "x": dict(stem_channels=[3, 32, 64], stage_in_channels=[64, 128, 512, 1024], stage_mid_channels=[64, 128, 256, 512],
              stage_out_channels=[128, 512, 1024, 2048], stage_num_blocks=[1, 2, 5, 2], stage_numb_of_layers=[6] * 4),
}
PRESETS = {
    "n": dict(num_feature_levels=2, encoder_ffn_dim=512, encode_proj_layers=[1], d_model=128, encoder_hidden_dim=128,
              decoder_ffn_dim=512, encoder_in_channels=[512, 1024], decoder_n_points=[6, 6],
              decoder_in_channels=[128, 128], feat_strides=[16, 32], depth_mult=0.5, decoder_layers=3,
              hidden_expansion=0.34),
    "s": dict(decoder_layers=3, hidden_expansion=0.5, depth_mult=0.34, decoder_n_points=[3, 6, 3],
              encoder_in_channels=[256, 512, 1024]),
    "m": dict(decoder_layers=4, decoder_n_points=[3, 6, 3], encoder_in_channels=[384, 768, 1536], depth_mult=0.67),
    "l": dict(decoder_n_points=[3, 6, 3]),
    "x": dict(encoder_hidden_dim=384, encoder_ffn_dim=2048, decoder_n_points=[3, 6, 3], decoder_in_channels=[384] * 3,
              reg_scale=8.0),
}
SMALL = dict(stem_channels=[3, 8, 8], stage_in_channels=[8, 16, 24, 32], stage_mid_channels=[8, 12, 8, 16],
             stage_out_channels=[16, 24, 32, 48], stage_num_blocks=[1, 1, 2, 1], stage_numb_of_layers=[2] * 4)
COMMON = dict(num_labels=3, num_queries=12, encoder_ffn_dim=40, decoder_ffn_dim=24, decoder_layers=3,
              encoder_attention_heads=4, decoder_attention_heads=4, num_denoising=6, num_feature_levels=3)
CASES = {
    "three": (dict(SMALL, use_learnable_affine_block=True, out_indices=[2, 3, 4]),
              dict(COMMON, encoder_hidden_dim=24, encoder_in_channels=[24, 32, 48], decoder_in_channels=[24] * 3,
                   d_model=16, decoder_n_points=[3, 6, 2], hidden_expansion=0.5, depth_mult=0.34)),
    "two": (dict(SMALL, out_indices=[3, 4]),
            dict(COMMON, num_feature_levels=2, encoder_hidden_dim=16, encoder_in_channels=[32, 48],
                 decoder_in_channels=[16] * 2, feat_strides=[16, 32], encode_proj_layers=[1], d_model=16,
                 decoder_n_points=[4, 3], depth_mult=0.5, reg_scale=8.0, max_num_bins=16)),
}
KINDS = ("vfl", "bbox", "giou", "fgl", "ddf")


def network(size_or_case):
    if size_or_case in CASES:
        backbone, config = CASES[size_or_case]
    else:
        backbone, config = NETWORKS[size_or_case], dict(PRESETS[size_or_case], num_labels=80)
        backbone = dict(backbone, out_indices=[3, 4] if size_or_case == "n" else [2, 3, 4])
    backbone = HGNetV2Config(**backbone, hidden_sizes=backbone["stage_out_channels"], embedding_size=8)
    return DFineForObjectDetection(DFineConfig(backbone_config=backbone, freeze_backbone_batch_norms=False, **config))


def sizes():
    out = {}
    for size in PRESETS:
        with torch.device("meta"):
            model = network(size)
        lines = sorted(f"{key} ({', '.join(map(str, value.shape))})\n" for key, value in model.state_dict().items()
                       if key.startswith("model."))
        out[size] = {"parameters": sum(p.numel() for p in model.parameters()), "shapes": f"{fnv1a(''.join(lines)):016x}"}
    return out


def own_pairs(model, out, labels):
    """The criterion's losses where a layer's logits, boxes and distributions stand together."""
    split = out.denoising_meta_values["dn_num_split"]
    logits, boxes = out.intermediate_logits, out.intermediate_reference_points.clamp(min=0, max=1)
    corners, refs = out.intermediate_predicted_corners, out.initial_reference_points

    def layers(part):
        cut = [x.split(split, dim=2)[part] for x in (logits, boxes, corners, refs)]
        layer = [dict(logits=cut[0][:, i + 1], pred_boxes=cut[1][:, i + 1], pred_corners=cut[2][:, i],
                      ref_points=cut[3][:, i], teacher_corners=cut[2][:, -1], teacher_logits=cut[0][:, -1])
                 for i in range(corners.shape[1])]
        return [dict(logits=cut[0][:, 0], pred_boxes=cut[1][:, 0])] + layer

    queries = layers(1)
    picked = dict(logits=out.enc_topk_logits, pred_boxes=out.enc_topk_bboxes.clamp(min=0, max=1))
    return DFineLoss(model.config)(dict(queries[-1], auxiliary_outputs=queries[:-1] + [picked],
                                        dn_auxiliary_outputs=layers(0),
                                        denoising_meta_values=out.denoising_meta_values), labels)


def case(tensors, about, name):
    model = network(name)
    with torch.no_grad():
        for key, tensor in model.state_dict().items():
            kept = key.endswith(("num_batches_tracked", "reg_scale", "up", "num_points_scale"))
            if key.startswith("model.") and not kept:
                tensor.copy_(weight(key, tuple(tensor.shape)).float())
    pixels = uniform(f"{name}/pixels", (3, 3, 96, 128)).float()
    model.eval()
    with torch.no_grad():
        out = model(pixels)
        tensors[f"{name}/logits"], tensors[f"{name}/boxes"] = out.logits, out.pred_boxes
        found = RTDetrImageProcessor().post_process_object_detection(out, 0.5, target_sizes=[(96, 128)] * 3)
    for i, one in enumerate(found):
        rows = torch.cat([one["boxes"], one["scores"][:, None], one["labels"][:, None].float()], 1)
        tensors[f"{name}/found{i}"] = rows
        assert len(rows) > 3

    corners = torch.tensor([[4.0, 6, 50, 60], [40, 20, 110, 90], [70, 8, 90, 30]])
    classes, owner = torch.tensor([0, 2, 1]), torch.tensor([0, 0, 2])
    tensors |= {f"{name}/objects": corners, f"{name}/classes": classes, f"{name}/owner": owner}
    centred = torch.cat([(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]], 1)
    centred = centred / torch.tensor([128.0, 96, 128, 96])
    labels = [{"class_labels": classes[owner == i], "boxes": centred[owner == i]} for i in range(3)]
    model.train()
    for pairing in ("transformers", "own"):
        model.zero_grad()
        probed = pixels.clone().requires_grad_()
        torch.manual_seed(7)
        out = model(probed, labels=labels)
        losses = out.loss_dict if pairing == "transformers" else own_pairs(model, out, labels)
        sums = [sum(value for key, value in losses.items() if key.startswith(f"loss_{kind}")) for kind in KINDS]
        tensors[f"{name}/{pairing}/losses"] = torch.stack(sums)
        sum((i + 1) * value for i, value in enumerate(sums)).backward()
        rows, names = [], []
        for key, parameter in [*model.named_parameters(), ("pixels", probed)]:
            if parameter.grad is None:
                continue
            gradient = parameter.grad.double()
            rows.append([gradient.norm().item(), (gradient * uniform(f"{key}/probe", tuple(gradient.shape))).sum().item()])
            names.append(key)
        tensors[f"{name}/{pairing}/gradients"] = torch.tensor(rows)
        about[f"{name}/{pairing}/gradients"] = json.dumps(names)


def make(save):
    tensors, about = {}, {"source": SOURCE, "sizes": json.dumps(sizes())}
    for name in CASES:
        case(tensors, about, name)
    save("dfine", tensors, about)
