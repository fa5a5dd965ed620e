"""Makes a small YOLOv8 with random weights, a picture and PyTorch's boxes in it, for the tests of the page.

    python fixture.py ../../e2e/fixtures/vision

The network is written from its description (C2f blocks, SPPF, a head with a distribution for each side); its tensors have
the names of published files, its normalization unfolded and its metadata left out, so that the page has to recognise it.
The answers are PyTorch's in double precision, of the very weights in the file.
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

STAGES = (8, 8, 16, 16, 24)
CLASSES = 5
HEIGHT, WIDTH = 96, 160
BINS = 16
THRESHOLD, OVERLAP = 0.35, 0.45


class Conv(nn.Module):
    """Convolution, batch normalization, SiLU: [N, C, H, W] -> [N, K, H / stride, W / stride]."""

    def __init__(self, inputs: int, outputs: int, size: int = 1, stride: int = 1):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.silu(self.bn(self.conv(x)))


class Bottleneck(nn.Module):
    def __init__(self, width: int, shortcut: bool):
        super().__init__()
        self.cv1, self.cv2, self.shortcut = Conv(width, width, 3), Conv(width, width, 3), shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.cv2(self.cv1(x))
        return x + y if self.shortcut else y


class C2f(nn.Module):
    def __init__(self, inputs: int, outputs: int, depth: int, shortcut: bool):
        super().__init__()
        half = outputs // 2
        self.cv1, self.cv2 = Conv(inputs, outputs), Conv((2 + depth) * half, outputs)
        self.m = nn.ModuleList(Bottleneck(half, shortcut) for _ in range(depth))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = list(self.cv1(x).chunk(2, 1))
        for block in self.m:
            parts.append(block(parts[-1]))
        return self.cv2(torch.cat(parts, 1))


class SPPF(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.cv1, self.cv2 = Conv(width, width // 2), Conv(2 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = [self.cv1(x)]
        for _ in range(3):
            parts.append(F.max_pool2d(parts[-1], 5, 1, 2))
        return self.cv2(torch.cat(parts, 1))


class Detect(nn.Module):
    def __init__(self, widths: tuple[int, int, int]):
        super().__init__()
        box, score = max(16, widths[0] // 4, 4 * BINS), max(widths[0], min(CLASSES, 100))
        self.cv2 = nn.ModuleList(self.branch(width, box, 4 * BINS) for width in widths)
        self.cv3 = nn.ModuleList(self.branch(width, score, CLASSES) for width in widths)

    @staticmethod
    def branch(inputs: int, width: int, outputs: int) -> nn.Sequential:
        return nn.Sequential(Conv(inputs, width, 3), Conv(width, width, 3), nn.Conv2d(width, outputs, 1))

    def forward(self, maps: list[torch.Tensor]) -> list[tuple[torch.Tensor, torch.Tensor]]:
        return [(self.cv2[i](x), self.cv3[i](x)) for i, x in enumerate(maps)]


class YoloV8(nn.Module):
    """Images [N, 3, H, W] in 0..1 -> bins [N, 64, h, w] and class logits [N, classes, h, w] at strides 8, 16, 32."""

    def __init__(self):
        super().__init__()
        a, b, c, d, e = STAGES
        layers: dict[int, nn.Module] = {0: Conv(3, a, 3, 2), 1: Conv(a, b, 3, 2), 2: C2f(b, b, 1, True)}
        layers |= {3: Conv(b, c, 3, 2), 4: C2f(c, c, 2, True), 5: Conv(c, d, 3, 2), 6: C2f(d, d, 2, True)}
        layers |= {7: Conv(d, e, 3, 2), 8: C2f(e, e, 1, True), 9: SPPF(e)}
        layers |= {12: C2f(e + d, d, 1, False), 15: C2f(d + c, c, 1, False), 16: Conv(c, c, 3, 2)}
        layers |= {18: C2f(c + d, d, 1, False), 19: Conv(d, d, 3, 2), 21: C2f(d + e, e, 1, False)}
        layers[22] = Detect((c, d, e))
        self.model = nn.ModuleDict({str(layer): module for layer, module in layers.items()})

    def forward(self, x: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
        def run(layer: int, *inputs: torch.Tensor) -> torch.Tensor:
            return self.model[str(layer)](torch.cat(inputs, 1))

        at4 = run(2, run(1, run(0, x)))
        at8 = run(4, run(3, at4))
        at16 = run(6, run(5, at8))
        top = run(9, run(8, run(7, at16)))
        up16 = run(12, F.interpolate(top, scale_factor=2.0), at16)
        up8 = run(15, F.interpolate(up16, scale_factor=2.0), at8)
        down16 = run(18, run(16, up8), up16)
        return self.model["22"]([up8, down16, run(21, run(19, down16), top)])


def picture() -> torch.Tensor:
    """[H, W, 3] bytes: waves with hard edges."""
    y, x = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    waves = [(0.05, 0.11, 0.09), (0.12, 0.03, 0.21), (0.02, 0.16, 0.14)]
    channels = [127 + 60 * (torch.sin(a * x + b * y) + torch.sign(torch.sin(c * (x - y)))) for a, b, c in waves]
    return torch.stack(channels, -1).clamp(0, 255).byte()


def seeded_model() -> YoloV8:
    torch.manual_seed(20230110)
    model = YoloV8()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.7, 1.5)
                module.bias.uniform_(-0.3, 0.3)
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight, a=1.0)
        for branch in model.model["22"].cv3:
            branch[2].bias.fill_(-1.5)
    # Statistics of real activations, as training would have left them.
    model.train()
    pixels = picture().permute(2, 0, 1).float() / 255
    for _ in range(60):
        noise = torch.rand(3, 3, HEIGHT, WIDTH)
        model(torch.cat((pixels[None], noise)))
    return model.eval()


def decode(outputs: list[tuple[torch.Tensor, torch.Tensor]]) -> list[list[float]]:
    """Corners, score and class of each cell that passes, best first."""
    found = []
    for scale, (bins, logits) in enumerate(outputs):
        stride = 8 << scale
        height, width = bins.shape[2:]
        sides = bins[0].view(4, BINS, height, width).softmax(1).mul(torch.arange(BINS)[:, None, None]).sum(1)
        scores, labels = logits[0].sigmoid().max(0)
        for y, x in (scores >= THRESHOLD).nonzero().tolist():
            left, top, right, bottom = sides[:, y, x].tolist()
            corners = [(x + 0.5 - left) * stride, (y + 0.5 - top) * stride]
            corners += [(x + 0.5 + right) * stride, (y + 0.5 + bottom) * stride]
            clamped = [min(max(v, 0), WIDTH if i % 2 == 0 else HEIGHT) for i, v in enumerate(corners)]
            found.append([*clamped, scores[y, x].item(), labels[y, x].item()])
    return sorted(found, key=lambda box: -box[4])


def overlap(a: list[float], b: list[float]) -> float:
    across, down = (max(0, min(a[i + 2], b[i + 2]) - max(a[i], b[i])) for i in (0, 1))
    area = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)) - across * down
    return across * down / area if area > 0 else 0


def kept(boxes: list[list[float]]) -> list[list[float]]:
    """Greedy suppression among the boxes of a class."""
    result: list[list[float]] = []
    for box in boxes:
        if all(other[5] != box[5] or overlap(box, other) <= OVERLAP for other in result):
            result.append(box)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    args = parser.parse_args()
    model = seeded_model()
    state = {k: v.half() for k, v in model.state_dict().items() if v.is_floating_point()}
    save_file({k: v.contiguous() for k, v in state.items()}, args.output / "yolov8-tiny.safetensors")
    exact = YoloV8().double().eval()
    exact.load_state_dict({k: v.double() for k, v in state.items()}, strict=False)
    pixels = picture()
    with torch.no_grad():
        candidates = decode(exact(pixels.permute(2, 0, 1)[None].double() / 255))
    boxes = [[round(v, 4) for v in box] for box in kept(candidates)]
    answers = {"width": WIDTH, "height": HEIGHT, "threshold": THRESHOLD, "overlap": OVERLAP, "boxes": boxes}
    (args.output / "yolov8-tiny.json").write_text(json.dumps(answers) + "\n")
    print(f"{len(candidates)} candidates, {len(boxes)} boxes of {len({b[5] for b in boxes})} classes", boxes[:3])


if __name__ == "__main__":
    main()
