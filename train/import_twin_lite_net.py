"""Turns the checkpoint that the authors of TwinLiteNet publish into Vitrail's safetensors, for whoever has it.

    python import_twin_lite_net.py best.pth twinlitenet.safetensors

It is a table of tensors, read as such: no code from the file runs. The page folds the normalization in by itself.
"""

import argparse
from pathlib import Path

import torch
from safetensors.torch import save_file

METADATA = {"architecture": "twin-lite-net", "height": "360", "width": "640"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("output", type=Path)
    args = parser.parse_args()
    state = torch.load(args.checkpoint, map_location="cpu", weights_only=True)
    # Training on several GPUs puts `module.` before each name. The page reads floating-point tensors alone.
    weights = {
        name.removeprefix("module."): value.contiguous() for name, value in state.items() if value.is_floating_point()
    }
    if "up_1_1.deconv.weight" not in weights:
        raise SystemExit("The checkpoint is not TwinLiteNet: it has no tensor 'up_1_1.deconv.weight'.")
    save_file(weights, args.output, METADATA)
    print(f"TwinLiteNet: {args.output}, {args.output.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
