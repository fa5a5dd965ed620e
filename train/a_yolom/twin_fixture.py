"""Makes the input and the answers that the test of TwinLiteNet in the page's executor compares with.

    python twin_fixture.py ../../../shared/data ../../e2e/fixtures/vision

The weights are the published ones; the answers are PyTorch's in double precision for one still, made small.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from teachers import TwinLiteNet

HEIGHT, WIDTH = 48, 64
STILL = "0ace96c3-48481887.jpg"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    args = parser.parse_args()
    model = TwinLiteNet.load(args.data / "weights" / "twinlitenet.safetensors").double()
    still = Image.open(args.data / "driving" / STILL).convert("RGB").resize((WIDTH, HEIGHT), Image.Resampling.BOX)
    pixels = torch.from_numpy(np.asarray(still).astype(np.float32) / 255).permute(2, 0, 1)
    image = pixels.half()
    with torch.no_grad():
        drivable, lanes = model(image.double()[None])
    tensors = {"image": image, "drivable": drivable[0].float(), "lanes": lanes[0].float()}
    save_file({k: v.contiguous() for k, v in tensors.items()}, args.output / "twin-lite-net.reference.safetensors")
    for name, value in tensors.items():
        print(f"{name}: {tuple(value.shape)}, {value.min():.3f} to {value.max():.3f}")


if __name__ == "__main__":
    main()
