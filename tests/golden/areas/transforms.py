"""torchvision's operations on one small uint8 picture; each result as (H, W, C)."""
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import RandAugment
from torchvision.transforms.v2 import functional as F

HEIGHT, WIDTH = 40, 52
NEAREST, BILINEAR, BICUBIC = (InterpolationMode.NEAREST, InterpolationMode.BILINEAR, InterpolationMode.BICUBIC)


def picture():
    """Colours that change smoothly, a few hard edges, and a corner of noise."""
    y, x = torch.meshgrid(torch.arange(HEIGHT).double(), torch.arange(WIDTH).double(), indexing="ij")
    out = torch.stack([40 + 180 * x / WIDTH, 30 + 190 * y / HEIGHT, 120 + 90 * torch.sin(x / 4) * torch.cos(y / 5)])
    out[:, 5:15, 8:20] = torch.tensor([250.0, 20.0, 60.0]).view(3, 1, 1)
    out[:, 22:34, 30:37] = torch.tensor([10.0, 240.0, 200.0]).view(3, 1, 1)
    out = out.to(torch.uint8)
    out[:, 26:, :14] = torch.randint(15, 245, (3, 14, 14), dtype=torch.uint8)
    return out


def geometry(x):
    out = {}
    for name, mode in {"bilinear": BILINEAR, "bicubic": BICUBIC, "nearest": InterpolationMode.NEAREST_EXACT}.items():
        for height, width in [(15, 21), (40, 30), (47, 60)]:
            out[f"resize.{name}.{height}x{width}"] = F.resize(x, [height, width], mode, antialias=True)
    out["resize_shorter"] = F.resize(x, 23, BILINEAR, antialias=True)
    out["center_crop"] = F.center_crop(x, [17, 22])
    out["center_crop.beyond"] = F.center_crop(x, [45, 22])
    out["crop"] = F.crop(x, -3, 40, 20, 18)
    out["pad"] = F.pad(x, [1, 2, 3, 4], fill=77)
    out["resized_crop"] = F.resized_crop(x, 4, 9, 27, 31, [16, 18], BILINEAR, antialias=True)
    parameters = dict(angle=23.0, translate=[3.0, -2.0], scale=1.2, shear=[8.0, -5.0])
    out["affine.nearest"] = F.affine(x, **parameters, interpolation=NEAREST, fill=[99.0])
    out["affine.bilinear"] = F.affine(x, **parameters, interpolation=BILINEAR)
    out["affine.center"] = F.affine(x, -40.0, [0.0, 0.0], 0.7, [0.0, 0.0], BILINEAR, center=[10.0, 5.0])
    return out


def colors(x):
    out = {}
    for factor in [0.0, 0.4, 1.7]:
        out[f"brightness.{factor}"] = F.adjust_brightness(x, factor)
        out[f"contrast.{factor}"] = F.adjust_contrast(x, factor)
        out[f"saturation.{factor}"] = F.adjust_saturation(x, factor)
        out[f"sharpness.{factor}"] = F.adjust_sharpness(x, factor)
    for shift in [-0.4, 0.1]:
        out[f"hue.{shift}"] = F.adjust_hue(x, shift)
    out["grayscale"] = F.rgb_to_grayscale(x, 1)
    out["posterize"] = F.posterize(x, 3)
    out["solarize"] = F.solarize(x, 130)
    out["autocontrast"] = F.autocontrast(x)
    out["equalize"] = F.equalize(x)
    out["invert"] = F.invert(x)
    out["contrast.grey"] = F.adjust_contrast(x[:1], 1.7)
    out["sharpness.grey"] = F.adjust_sharpness(x[:1], 1.7)
    return out


def randaugment(x):
    """Magnitudes of all 31 bins, and the picture at bin 13."""
    policy, out, magnitudes = RandAugment(), {}, {}
    for name, (make, signed) in policy._AUGMENTATION_SPACE.items():
        all_bins = make(31, *x.shape[-2:])
        bins = torch.zeros(31) if all_bins is None else all_bins.double()
        # v2's solarize threshold is a share of the highest level
        magnitudes[f"magnitudes.{name}"] = bins * 255 if name == "Solarize" else bins
        for sign in [1, -1] if signed else [1]:
            magnitude = sign * float(bins[13])
            changed = policy._apply_image_or_video_transform(x, name, magnitude, NEAREST, policy._fill)
            out[f"randaugment.{name}" + (".negative" if sign < 0 else "")] = changed
    return out, magnitudes


def make(save):
    x = picture()
    part = x[:, 10:30, 4:30].contiguous()  # keeps the file small
    augmented, magnitudes = randaugment(part)
    pictures = {"image": x, "part": part, **geometry(x), **colors(part), **augmented}
    rows = {name: image.permute(1, 2, 0) for name, image in pictures.items()}
    save("transforms", {**rows, **{name: value.double() for name, value in magnitudes.items()}})
