"""How many parameters generative models have at their presets, by the same nets in PyTorch and diffusers."""
import json
import pathlib
import sys

from diffusers import DiTTransformer2DModel

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from autoencoders import ConvVae, EmaCodebook, Fsq, Iwae, MlpVae, VqVae  # noqa: E402
from denoisers import unet  # noqa: E402
from generative import dcgan, mission, r3gan, stylegan2  # noqa: E402
from vocoder import DiffWave, Vocos  # noqa: E402


def count(model):
    return sum(p.numel() for p in model.parameters())


def dit(dim, depth, heads, channels, image):
    """One embedding of time for all blocks where diffusers has one each, and none of classes."""
    model = DiTTransformer2DModel(num_attention_heads=heads, attention_head_dim=dim // heads, in_channels=channels,
                                  out_channels=channels, num_layers=depth, sample_size=image, num_embeds_ada_norm=10)
    times = count(model.transformer_blocks[0].norm1.emb.timestep_embedder)
    classes = count(model.transformer_blocks[0].norm1.emb.class_embedder)
    return count(model) - (depth - 1) * times - depth * classes


def known():
    plain = "tests/golden/areas/generative.py"
    for classes, name in ((0, ""), (10, "-conditional")):
        yield f"dcgan{name}", count(dcgan(1, 28, 100, 64, classes)), plain
        yield f"r3gan{name}", count(r3gan(1, 28, 64, (96, 64, 32), 1, 16, classes, 32)), plain
        yield f"stylegan2{name}", count(stylegan2(1, (7, 14, 28), 64, 2, 512, 64, classes, 4)), plain
    yield "mission_gan", count(mission()), plain
    plain = "tests/golden/areas/autoencoders.py"
    for classes, name in ((0, ""), (10, "-conditional")):
        yield f"vae{name}", count(MlpVae((1, 28, 28), 400, 20, classes)), plain
        yield f"vae-conv{name}", count(ConvVae(1, 28, 16, 256, 32, classes)), plain
    yield "iwae", count(Iwae((1, 28, 28), 200, 50)), plain
    yield "vqvae", count(VqVae(1, 64, 32, EmaCodebook(256, 32, 0.99), 2)), plain
    yield "vqvae-fsq", count(VqVae(1, 64, 3, Fsq((8, 6, 5)), 2)), plain
    yield "unet", count(unet(3, (), in_channels=1, out_channels=1, block_out_channels=(32, 64, 64), layers_per_block=1,
                             attention_head_dim=32, norm_num_groups=8)), "diffusers"
    yield "unet-large", count(unet(4, (1,), in_channels=3, out_channels=3, block_out_channels=(128, 256, 256, 256),
                                   layers_per_block=2, attention_head_dim=64, norm_num_groups=32, attn_norm_num_groups=32,
                                   resnet_time_scale_shift="scale_shift")), "diffusers"
    yield "ddpm-cifar10", 35746307, "google/ddpm-cifar10-32"
    plain = "tests/golden/areas/vocoder.py"
    yield "vocos", count(Vocos(100, 512, 1536, 8, 1024, 256, "center")), plain
    yield "vocos-8khz", count(Vocos(40, 192, 576, 6, 256, 80, "center")), plain
    yield "diffwave", count(DiffWave(80, 0, 64, 30, 10, (16, 16))), plain
    yield "diffwave-conditional", count(DiffWave(0, 10, 64, 30, 10, (16, 16))), plain
    yield "dit", dit(128, 4, 4, 1, 28), "diffusers"
    yield "dit-s", dit(384, 12, 6, 3, 32), "diffusers"
    yield "dit-b", dit(768, 12, 12, 3, 32), "diffusers"


def make(_):
    path = pathlib.Path(__file__).parent.parent / "generative.json"
    path.write_text(json.dumps({name: {"parameters": parameters, "source": source} for name, parameters, source in known()},
                               indent=1) + "\n")
