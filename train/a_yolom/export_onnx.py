"""Writes a detector's weights as ONNX, for other engines to run beside this one.

    python export_onnx.py ../../models/a-yolom-n.safetensors a-yolom-n.onnx --half

Input `image` [1, 3, 384, 672] in 0..1; outputs `detect0`, `detect1`, `detect2`, `drivable` and `lanes`, as `AYolom` gives them. With
--half, weights, input and outputs are 16-bit floats. The merges' gates are open, as they are in the page's graph.
"""

import argparse
import warnings
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from export import INPUT, load_folded
from model import CONFIGS, AdaptiveConcat, AYolom, build

OUTPUTS = ["detect0", "detect1", "detect2", "drivable", "lanes"]


class Flat(nn.Module):
    """The model with its outputs in one row."""

    def __init__(self, model: AYolom):
        super().__init__()
        self.model = model

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        maps, drivable, lanes = self.model(image)
        return (*maps, drivable, lanes)


class OpenConcat(nn.Module):
    """An `AdaptiveConcat` that always merges: other engines would compute the choice in every frame."""

    def __init__(self, concat: AdaptiveConcat):
        super().__init__()
        self.merge = concat.merge

    def forward(self, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        return self.merge(torch.cat((x, skip), 1))


def size_of(weights: Path) -> str:
    """The name of the configuration that a file's metadata gives."""
    with safe_open(weights, "pt") as file:
        stages = file.metadata()["stages"]
    return next(name for name, config in CONFIGS.items() if ",".join(map(str, config.stages)) == stages)


def open_gates(model: AYolom) -> None:
    for neck in (model.drivable_neck, model.lane_neck):
        neck.merges = nn.ModuleList(OpenConcat(merge) for merge in neck.merges)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path, help="a file that export.py wrote")
    parser.add_argument("output", type=Path)
    parser.add_argument("--half", action="store_true", help="16 bits a number, not 32")
    args = parser.parse_args()
    model = build(size_of(args.weights)).eval()
    load_folded(model, {name: value.float() for name, value in load_file(args.weights).items()})
    open_gates(model)
    image = torch.rand(1, 3, *INPUT)
    flat = Flat(model).half() if args.half else Flat(model)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    # The exporter that needs no library beside PyTorch; it folds normalization into the convolutions.
    torch.onnx.export(
        flat,
        (image.half() if args.half else image,),
        str(args.output),
        input_names=["image"],
        output_names=OUTPUTS,
        opset_version=17,
        dynamo=False,
    )
    print(f"{args.output}: {args.output.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
