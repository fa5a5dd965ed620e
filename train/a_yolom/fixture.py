"""Makes the small graph with its input and its answers that the tests of the page's executor compare with.

    python fixture.py ../../e2e/fixtures/vision

Weights are random but seeded, with normalization statistics that keep activations of ordinary size; the answers are
PyTorch's in double precision, of the very f16 weights in the file.
"""

import argparse
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from export import export, load_folded
from model import build

HEIGHT, WIDTH = 32, 64


def seeded_model() -> nn.Module:
    torch.manual_seed(20231003)
    model = build("tiny")
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.7, 1.5)
                module.bias.uniform_(-0.3, 0.3)
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                nn.init.kaiming_uniform_(module.weight, a=1.0)
    # Statistics of real activations, as training would have left them.
    model.train()
    for _ in range(60):
        model(torch.rand(2, 3, HEIGHT, WIDTH))
    return model.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    args = parser.parse_args()
    weights = args.output / "a-yolom-tiny.safetensors"
    export(seeded_model(), weights)
    model = build("tiny").double().eval()
    load_folded(model, {name: value.double() for name, value in load_file(weights).items()})
    image = torch.rand(1, 3, HEIGHT, WIDTH)
    with torch.no_grad():
        maps, drivable, lanes = model(image.double())
    answers = {"image": image[0], "drivable": drivable[0], "lanes": lanes[0]}
    answers |= {f"detect.{i}": cells[0] for i, cells in enumerate(maps)}
    save_file(
        {name: value.float().contiguous() for name, value in answers.items()},
        args.output / "a-yolom-tiny.reference.safetensors",
    )
    for name, value in answers.items():
        print(f"{name}: {tuple(value.shape)}, {value.min():.3f} to {value.max():.3f}")


if __name__ == "__main__":
    main()
