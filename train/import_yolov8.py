"""Turns a published YOLOv8 detection checkpoint (n, s, m, l or x) into Vitrail's safetensors, for whoever has it.

    python import_yolov8.py yolov8n.pt yolov8n.safetensors --size 384x640

Those weights are under the AGPL, and so is what this makes of them. No code from the file runs (`checkpoint.py`).
Normalization is folded into the convolutions; the names of classes go into the metadata.
"""

import argparse
from pathlib import Path

import torch
from safetensors.torch import save_file

from checkpoint import read_model

EPSILON = 1e-3
"""Of the batch normalization, as trained."""
DISTRIBUTION = "model.22.dfl.conv.weight"
"""0, 1, ... 15: the bins that the decoder counts by itself."""


def folded(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Every `x.conv` with the `x.bn` beside it as one convolution, in double precision; what has none stays."""
    tensors: dict[str, torch.Tensor] = {}
    for name, value in state.items():
        if ".bn." in name or name == DISTRIBUTION:
            continue
        norm = name.removesuffix("conv.weight") + "bn"
        if name.endswith(".conv.weight") and f"{norm}.running_var" in state:
            weight, bias, mean, variance = (
                state[f"{norm}.{leaf}"].double() for leaf in ("weight", "bias", "running_mean", "running_var")
            )
            scale = weight / torch.sqrt(variance + EPSILON)
            tensors[name] = value.double() * scale[:, None, None, None]
            tensors[name.removesuffix("weight") + "bias"] = bias - mean * scale
        else:
            tensors[name] = value.double()
    return tensors


def export(state: dict[str, torch.Tensor], labels: list[str], size: tuple[int, int], path: Path) -> None:
    """Writes [K, C, h, w] weights in half precision, with what a reader cannot tell from their shapes."""
    classes = state.get("model.22.cv3.0.2.weight")
    if classes is None or "model.2.m.0.cv1.conv.weight" not in state:
        raise SystemExit("The checkpoint is not YOLOv8 detection: it has no tensor 'model.22.cv3.0.2.weight'.")
    if len(labels) != classes.shape[0]:
        raise SystemExit(f"The checkpoint names {len(labels)} classes; its head has {classes.shape[0]}.")
    if any(length % 32 or length <= 0 for length in size):
        raise SystemExit(f"Height and width are multiples of 32, not {size[0]}x{size[1]}.")
    metadata = {"architecture": "yolov8", "height": str(size[0]), "width": str(size[1])}
    metadata["labels"] = ",".join(label.replace(",", " ") for label in labels)
    tensors = {name: value.half().contiguous() for name, value in folded(state).items()}
    save_file(tensors, path, metadata)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--size", default="640x640", help="height x width that frames are looked at; 384x640 suits cameras")
    args = parser.parse_args()
    height, width = (int(length) for length in args.size.split("x"))
    model = read_model(args.checkpoint)
    names = model.names
    labels = [names[i] for i in range(len(names))]
    export(model.state_dict(), labels, (height, width), args.output)
    print(f"YOLOv8, {len(labels)} classes: {args.output}, {args.output.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
