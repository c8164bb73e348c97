"""Pictures of every kind that Hadal reads, with Pillow's pixels."""
import io
import pathlib
import struct

import numpy as np
import torch
from PIL import Image, ImageOps

FOLDER = pathlib.Path(__file__).parent.parent / "images"


def drawing(height, width, seed=0):
    """A smooth drawing with edges: colours that JPEG keeps and that show every turn and shift."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    rng = np.random.default_rng(seed)
    out = np.stack([255 * x / (width - 1), 255 * y / (height - 1), 128 + 100 * np.sin(x / 5) * np.cos(y / 7)], -1)
    for _ in range(4):
        cy, cx, r = rng.integers(0, height), rng.integers(0, width), rng.integers(4, max(5, height // 3))
        out[(y - cy) ** 2 + (x - cx) ** 2 < r * r] = rng.integers(0, 256, 3)
    return out.clip(0, 255).astype(np.uint8)


def pixels(image):
    return torch.from_numpy(np.asarray(image).copy())


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def exif(orientation):
    data = Image.Exif()
    data[0x0112] = orientation
    return data


def bmp(bits, compression, body, width, height, palette=b"", masks=b""):
    """A BMP that Pillow does not write."""
    start = 14 + 40 + len(masks) + len(palette)
    head = b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start)
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(body), 0, 0, len(palette) // 4, 0)
    return head + info + masks + palette + body


def rle8(index):
    """Rows bottom up: a run, then the rest as it is, then end of row."""
    out = b""
    for row in index[::-1]:
        run = 1
        while run < len(row) and row[run] == row[0]:
            run += 1
        out += bytes([run, row[0]])
        rest = row[run:]
        if len(rest) >= 3:
            out += bytes([0, len(rest)]) + bytes(rest) + b"\0" * (len(rest) % 2)
        else:
            out += b"".join(bytes([1, value]) for value in rest)
        out += b"\0\0"
    return out + b"\0\1"


def files():
    """name -> (bytes, what Pillow makes of it or the exact pixels)."""
    rgb = Image.fromarray(drawing(25, 31))
    grey, palette = rgb.convert("L"), rgb.quantize(200)
    alpha = rgb.copy()
    alpha.putalpha(Image.fromarray(drawing(25, 31, 1)[..., 0]))
    out = {}
    for name, options in {"420": dict(subsampling=2), "422": dict(subsampling=1), "444": dict(subsampling=0),
                          "progressive": dict(progressive=True)}.items():
        out[f"{name}.jpg"] = encoded(rgb, "JPEG", quality=85, **options)
    out["grey.jpg"] = encoded(grey, "JPEG", quality=85)
    out["cmyk.jpg"] = encoded(rgb.convert("CMYK"), "JPEG", quality=90)
    small = Image.fromarray(drawing(16, 24, 2))
    for turn in range(1, 9):
        out[f"turn{turn}.jpg"] = encoded(small, "JPEG", quality=85, exif=exif(turn))
    out["turn6.png"] = encoded(small, "PNG", exif=exif(6))
    out["turn6.webp"] = encoded(small, "WEBP", lossless=True, exif=exif(6))
    out["rgb.png"] = encoded(rgb, "PNG")
    out["grey.png"] = encoded(grey, "PNG")
    out["grey1.png"] = encoded(rgb.convert("1"), "PNG")
    out["palette.png"] = encoded(palette, "PNG")
    out["palette4.png"] = encoded(rgb.quantize(13), "PNG", transparency=3)
    out["rgba.png"] = encoded(alpha, "PNG")
    out["la.png"] = encoded(alpha.convert("LA"), "PNG")
    out["lossless.webp"] = encoded(rgb, "WEBP", lossless=True)
    out["alpha.webp"] = encoded(alpha, "WEBP", lossless=True, exact=True)
    out["lossy.webp"] = encoded(rgb, "WEBP", quality=80)
    out["rgb.bmp"] = encoded(rgb, "BMP")
    out["grey.bmp"] = encoded(grey, "BMP")
    out["palette.bmp"] = encoded(palette, "BMP")
    out["bilevel.bmp"] = encoded(rgb.convert("1"), "BMP")
    out["alpha.bmp"] = encoded(alpha, "BMP")
    index = (drawing(9, 11, 3)[..., 0] // 64).astype(np.uint8)
    index[2] = 1
    colours = bytes([10, 20, 30, 0, 200, 100, 50, 0, 0, 255, 0, 0, 90, 90, 250, 0])
    out["rle8.bmp"] = bmp(8, 1, rle8(index), 11, 9, colours)
    five = (drawing(8, 6, 4) >> 3).astype(np.uint16)
    out["555.bmp"] = bmp(16, 0, (five[::-1, :, 0] << 10 | five[::-1, :, 1] << 5 | five[::-1, :, 2]).tobytes(), 6, 8)
    down = drawing(8, 6, 5)
    body = np.concatenate([down[..., ::-1], np.zeros((8, 6, 1), np.uint8)], -1).tobytes()
    out["top-down.bmp"] = bmp(32, 0, body, 6, -8)
    return out


def interlaced_and_16_bit(out):
    """Adam7 and 16 bits through OpenCV and by hand: Pillow writes neither in colour."""
    import zlib
    def png(array, bits, colour, interlace=False):
        height, width = array.shape[:2]
        def lines(a):
            a = a.astype(">u2") if bits == 16 else a
            return b"".join(b"\0" + row.tobytes() for row in np.ascontiguousarray(a))
        if interlace:
            passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
            data = b"".join(lines(array[y::dy, x::dx]) for y, x, dy, dx in passes if array[y::dy, x::dx].size)
        else:
            data = lines(array)
        def chunk(name, body):
            return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, int(interlace))
        return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(data, 9)) + chunk(b"IEND", b"")
    eight = drawing(21, 19, 6)
    deep = (eight.astype(np.uint16) * 257 + np.arange(19, dtype=np.uint16)[None, :, None] * 5).clip(0, 65535)
    to8 = lambda a: torch.from_numpy(np.round(a.astype(np.float64) * 255 / 65535).astype(np.uint8))
    out["interlaced.png"] = (png(eight, 8, 2, True), torch.from_numpy(eight))
    out["rgb16.png"] = (png(deep.astype(np.uint16), 16, 2), to8(deep))
    grey = to8(deep[..., 0])
    out["grey16.png"] = (png(deep[..., 0].astype(np.uint16), 16, 0), torch.stack([grey] * 3, -1))


def decoding(save):
    FOLDER.mkdir(exist_ok=True)
    contents = {name: (data, pixels(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")))
                for name, data in files().items()}
    interlaced_and_16_bit(contents)
    for name, (data, _) in contents.items():
        (FOLDER / name).write_bytes(data)
    save("images_decoded", {name: image for name, (_, image) in contents.items()})


def make(save):
    decoding(save)
