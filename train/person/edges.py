"""Colours of the collar's edge in a texture of the body, from what lies inside.

python edges.py ../../models/vitrail-person.zip new.zip        # an archive that was trained before; Pillow

A pixel at the collar is half sweater, half neck, and says nothing about the sweater's colour: a texture that was fitted to it has a bright seam there, which shows as
soon as the neck lies elsewhere.
"""

import io
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

WIDTH = 2  # texels


def from_inside(texture, width=WIDTH):
    """Texture [4, s, s] whose colours nearer than `width` to where the neck stands are means of the nearest ones inside. It stands where rows have body on both sides."""
    color, alpha = texture[:3], texture[3]
    body = (alpha > 0.99).float()
    between = (body.cummax(1).values * body.flip(1).cummax(1).values.flip(1)).bool()
    neck = (between & (body == 0)).float()[None, None]
    seam = F.max_pool2d(neck, 2 * width + 1, 1, width) > 0
    known = (body > 0).float() * ~seam
    filled = color[None] * known
    for _ in range(2 * width):
        count = F.avg_pool2d(known, 3, 1, 1)
        mean = F.avg_pool2d(filled, 3, 1, 1) / count.clamp(min=1e-6)
        filled = torch.where(known > 0, filled, mean * (count > 0))
        known = (count > 0).float()
    return torch.cat([torch.where((seam & (known > 0))[0], filled[0], color), alpha[None]])


def main(source, target):
    from PIL import Image

    from archive import read_safetensors, read_zip, safetensors, write_zip
    from export import texture_file

    files = read_zip(source)
    texts, tensors = read_safetensors(files["body.safetensors"])
    coarse = from_inside(torch.from_numpy(tensors["coarse"].astype(np.float32)))
    files["body.safetensors"] = safetensors(tensors | {"coarse": ((coarse * 255).round() / 255).numpy().astype(np.float16)}, texts)
    texture = torch.from_numpy(np.array(Image.open(io.BytesIO(files["body.webp"])))).permute(2, 0, 1).float()
    mended = from_inside(texture / 255)
    files["body.webp"] = texture_file((mended * 255).round().byte())
    write_zip(target, files)
    print(f"{target}: {Path(target).stat().st_size} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
