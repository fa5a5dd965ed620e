"""Turns the checkpoint that the authors of A-YOLOM publish into Vitrail's safetensors, for whoever has it.

    python import_a_yolom.py v4.pt a-yolom-n.safetensors

No code from the file runs (`checkpoint.py`). The segmentation heads' unused detection branches are dropped; every shape is
checked against the graph.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from checkpoint import read_model

sys.path.insert(0, str(Path(__file__).parent / "a_yolom"))

from export import export  # noqa: E402
from model import build  # noqa: E402


def read_state(path: Path) -> dict[str, torch.Tensor]:
    return {name.removeprefix("model."): value.float() for name, value in read_model(path).state_dict().items()}


def _conv(theirs: str, ours: str) -> Iterator[tuple[str, str]]:
    yield f"{theirs}.conv.weight", f"{ours}.conv.weight"
    for leaf in ("weight", "bias", "running_mean", "running_var"):
        yield f"{theirs}.bn.{leaf}", f"{ours}.bn.{leaf}"


def _c2f(theirs: str, ours: str, depth: int) -> Iterator[tuple[str, str]]:
    yield from _conv(f"{theirs}.cv1", f"{ours}.enter")
    yield from _conv(f"{theirs}.cv2", f"{ours}.leave")
    for block in range(depth):
        yield from _conv(f"{theirs}.m.{block}.cv1", f"{ours}.blocks.{block}.first")
        yield from _conv(f"{theirs}.m.{block}.cv2", f"{ours}.blocks.{block}.second")


def _plain(theirs: str, ours: str) -> Iterator[tuple[str, str]]:
    yield f"{theirs}.weight", f"{ours}.weight"
    yield f"{theirs}.bias", f"{ours}.bias"


def _mask(neck: int, head: int, ours: str) -> Iterator[tuple[str, str]]:
    for step in range(4):
        # Each step is three layers: upsampling, adaptive concatenation, C2f.
        yield from _plain(f"{neck + 3 * step + 1}.conv", f"{ours}_neck.merges.{step}.merge")
        yield from _c2f(f"{neck + 3 * step + 2}", f"{ours}_neck.fuses.{step}", 1)
    yield from _conv(f"{head}.proto.cv1", f"{ours}_head.enter")
    yield from _plain(f"{head}.proto.upsample", f"{ours}_head.grow")
    yield from _conv(f"{head}.proto.cv2", f"{ours}_head.mix")
    yield from _conv(f"{head}.proto.cv3", f"{ours}_head.logits")


def name_pairs() -> Iterator[tuple[str, str]]:
    """(name in their file, name in our model) of every tensor."""
    depths = {2: 1, 4: 2, 6: 2, 8: 1}
    for layer in (0, 1, 3, 5, 7):
        yield from _conv(f"{layer}", f"backbone.{layer}")
    for layer, depth in depths.items():
        yield from _c2f(f"{layer}", f"backbone.{layer}", depth)
    yield from _conv("9.cv1", "backbone.9.enter")
    yield from _conv("9.cv2", "backbone.9.leave")
    for layer, ours in {12: "up16", 15: "up8", 18: "fuse16", 21: "fuse32"}.items():
        yield from _c2f(f"{layer}", f"neck.{ours}", 1)
    yield from _conv("16", "neck.down16")
    yield from _conv("19", "neck.down32")
    for scale in range(3):
        for theirs, ours in (("cv2", "box"), ("cv3", "vehicle")):
            yield from _conv(f"46.{theirs}.{scale}.0", f"detect.{ours}.{scale}.0")
            yield from _conv(f"46.{theirs}.{scale}.1", f"detect.{ours}.{scale}.1")
            yield from _plain(f"46.{theirs}.{scale}.2", f"detect.{ours}.{scale}.2")
    # Outputs come in the order detection, drivable area (neck 34 to 45), lanes (neck 22 to 33).
    yield from _mask(34, 47, "drivable")
    yield from _mask(22, 48, "lane")


def convert(state: dict[str, torch.Tensor], name: str) -> nn.Module:
    model = build(name)
    ours = model.state_dict()
    for source, target in name_pairs():
        if source not in state:
            raise SystemExit(f"The checkpoint has no tensor '{source}': it is not A-YOLOM ({name}).")
        if state[source].shape != ours[target].shape:
            raise SystemExit(f"'{source}' is {tuple(state[source].shape)}; A-YOLOM ({name}) has {tuple(ours[target].shape)}.")
        ours[target] = state[source]
    model.load_state_dict(ours)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("output", type=Path)
    args = parser.parse_args()
    state = read_state(args.checkpoint)
    name = "s" if state["0.conv.weight"].shape[0] == 32 else "n"
    export(convert(state, name), args.output)
    print(f"A-YOLOM ({name}): {args.output}, {args.output.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
