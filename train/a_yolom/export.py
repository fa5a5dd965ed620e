"""Writes a model as safetensors with batch normalization folded into the convolutions.

    python export.py OUT ../../models/a-yolom-n.safetensors

Names are the modules' paths without `.conv`: `backbone.0.weight` [K, C, h, w], `backbone.0.bias` [K]. The header's metadata
holds the widths, so that a reader builds the graph from the file alone.
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from model import AYolom, Conv, build

INPUT = (384, 672)
"""Height and width that the model is meant for; any multiples of 32 work."""


def fold(conv: Conv) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight and bias of the one convolution that equals convolution and normalization, computed in double precision."""
    bn = conv.bn
    scale = bn.weight.double() / torch.sqrt(bn.running_var.double() + bn.eps)
    weight = conv.conv.weight.double() * scale[:, None, None, None]
    return weight, bn.bias.double() - bn.running_mean.double() * scale


@torch.no_grad()
def folded_weights(model: AYolom) -> dict[str, torch.Tensor]:
    weights: dict[str, torch.Tensor] = {}
    for name, module in model.named_modules():
        if isinstance(module, Conv):
            weights[f"{name}.weight"], weights[f"{name}.bias"] = fold(module)
        elif isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)) and not name.endswith(".conv"):
            weights[f"{name}.weight"], weights[f"{name}.bias"] = module.weight.double(), module.bias.double()
    return weights


@torch.no_grad()
def load_folded(model: AYolom, weights: dict[str, torch.Tensor]) -> None:
    """Puts folded weights back into a model, as convolutions whose normalization does nothing."""
    for name, module in model.named_modules():
        if isinstance(module, Conv):
            module.conv.weight.copy_(weights[f"{name}.weight"])
            module.bn.running_mean.zero_()
            module.bn.running_var.fill_(1 - module.bn.eps)
            module.bn.weight.fill_(1)
            module.bn.bias.copy_(weights[f"{name}.bias"])
        elif isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)) and not name.endswith(".conv"):
            module.weight.copy_(weights[f"{name}.weight"])
            module.bias.copy_(weights[f"{name}.bias"])


def metadata(model: AYolom) -> dict[str, str]:
    config = model.config
    return {
        "architecture": "a-yolom",
        "stages": ",".join(map(str, config.stages)),
        "box_width": str(config.box_width),
        "mask_width": str(config.mask_width),
        "height": str(INPUT[0]),
        "width": str(INPUT[1]),
        "labels": "vehicle",
    }


def export(model: AYolom, path: Path, dtype: torch.dtype = torch.float16) -> None:
    weights = {name: value.to(dtype).contiguous() for name, value in folded_weights(model.eval()).items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(weights, path, metadata(model))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("training", type=Path, help="the folder that train.py wrote")
    parser.add_argument("output", type=Path)
    parser.add_argument("--f32", action="store_true", help="store 32 bits a weight, not 16")
    args = parser.parse_args()
    model = build(json.loads((args.training / "state.json").read_text())["name"])
    model.load_state_dict(load_file(args.training / "average.safetensors"))
    export(model, args.output, torch.float32 if args.f32 else torch.float16)
    print(f"{args.output}: {args.output.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
