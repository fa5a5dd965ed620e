"""A-YOLOM (arXiv 2310.01641): vehicles, drivable area and lanes from one backbone.

Written from the description in the paper. One backbone, three necks, three heads; the segmentation necks merge by adaptive
concatenation: a learned scalar decides whether a 1 x 1 convolution of [upsampled, skip] or the upsampled map alone goes on.
The gate is hard, so it has no gradient and keeps the side it starts on: the merge.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

REG_MAX = 16
"""Bins of the distribution that gives each side's distance (distribution focal loss, arXiv 2006.04388)."""
STRIDES = (8, 16, 32)


@dataclass(frozen=True)
class Config:
    """Widths of the five stages (strides 2 to 32) and of the heads."""

    stages: tuple[int, int, int, int, int]
    box_width: int = 64
    mask_width: int = 32


CONFIGS = {
    "n": Config((16, 32, 64, 128, 256)),
    "s": Config((32, 64, 128, 256, 512)),
    "tiny": Config((8, 8, 16, 16, 24), box_width=16, mask_width=8),
}
PARAMETERS = {"n": 3_640_019, "s": 13_605_859}


class Conv(nn.Module):
    """Convolution without bias, batch normalization, SiLU: [N, C, H, W] -> [N, K, H / stride, W / stride]."""

    def __init__(self, inputs: int, outputs: int, size: int = 1, stride: int = 1):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.03)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.silu(self.bn(self.conv(x)))


class Bottleneck(nn.Module):
    """Two 3 x 3 convolutions, with the input added where `shortcut`."""

    def __init__(self, width: int, shortcut: bool):
        super().__init__()
        self.first = Conv(width, width, 3)
        self.second = Conv(width, width, 3)
        self.shortcut = shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.second(self.first(x))
        return x + y if self.shortcut else y


class C2f(nn.Module):
    """Halves the channels, chains bottlenecks on the second half, and merges every intermediate result."""

    def __init__(self, inputs: int, outputs: int, depth: int = 1, shortcut: bool = False):
        super().__init__()
        half = outputs // 2
        self.half = half
        self.enter = Conv(inputs, 2 * half)
        self.blocks = nn.ModuleList(Bottleneck(half, shortcut) for _ in range(depth))
        self.leave = Conv((2 + depth) * half, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = list(self.enter(x).split(self.half, 1))
        for block in self.blocks:
            parts.append(block(parts[-1]))
        return self.leave(torch.cat(parts, 1))


class SPPF(nn.Module):
    """Three chained 5 x 5 max-pools: windows of 5, 9 and 13 pixels."""

    def __init__(self, width: int):
        super().__init__()
        self.enter = Conv(width, width // 2)
        self.leave = Conv(2 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = [self.enter(x)]
        for _ in range(3):
            parts.append(F.max_pool2d(parts[-1], 5, 1, 2))
        return self.leave(torch.cat(parts, 1))


class AdaptiveConcat(nn.Module):
    """[N, C, H, W] and a skip -> [N, C, H, W]: the 1 x 1 convolution of both while sigmoid(gate) > 0.5, else the first."""

    def __init__(self, inputs: int, skip: int):
        super().__init__()
        self.gate = nn.Parameter(torch.tensor(5.0))
        self.merge = nn.Conv2d(inputs + skip, inputs, 1)

    def forward(self, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        # A choice on the GPU: asking the gate for its value would stop the queue at every merge.
        return torch.where(torch.sigmoid(self.gate) > 0.5, self.merge(torch.cat((x, skip), 1)), x)


class MaskNeck(nn.Module):
    """From stride 32 to stride 2 over the backbone's skips at strides 16, 8, 4 and 2."""

    def __init__(self, stages: tuple[int, ...]):
        super().__init__()
        pairs = list(zip(reversed(stages[1:]), reversed(stages[:-1])))
        self.merges = nn.ModuleList(AdaptiveConcat(above, skip) for above, skip in pairs)
        self.fuses = nn.ModuleList(C2f(above, skip) for above, skip in pairs)

    def forward(self, x: torch.Tensor, skips: list[torch.Tensor]) -> torch.Tensor:
        for merge, fuse, skip in zip(self.merges, self.fuses, skips):
            x = fuse(merge(up(x), skip))
        return x


class MaskHead(nn.Module):
    """[N, C, H / 2, W / 2] -> two logits a pixel [N, 2, H, W]: background, foreground (SiLU on the logits too)."""

    def __init__(self, inputs: int, width: int):
        super().__init__()
        self.enter = Conv(inputs, width, 3)
        self.grow = nn.ConvTranspose2d(width, width // 2, 2, 2)
        self.mix = Conv(width // 2, width // 4, 3)
        self.logits = Conv(width // 4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.logits(self.mix(self.grow(self.enter(x))))


class DetectHead(nn.Module):
    """Three scales -> [N, 4 * REG_MAX + 1, H / s, W / s] each: bins of left, top, right, bottom, then the vehicle's logit."""

    def __init__(self, widths: tuple[int, int, int], box_width: int):
        super().__init__()

        def branch(inputs: int, width: int, outputs: int) -> nn.Sequential:
            return nn.Sequential(Conv(inputs, width, 3), Conv(width, width, 3), nn.Conv2d(width, outputs, 1))

        self.box = nn.ModuleList(branch(inputs, box_width, 4 * REG_MAX) for inputs in widths)
        self.vehicle = nn.ModuleList(branch(inputs, widths[0], 1) for inputs in widths)
        self.bins = nn.Parameter(torch.arange(REG_MAX, dtype=torch.float32), requires_grad=False)
        for box, vehicle, stride in zip(self.box, self.vehicle, STRIDES):
            box[-1].bias.data.fill_(1.0)
            # About five vehicles in a picture of 640 x 640 before anything is learned.
            vehicle[-1].bias.data.fill_(torch.log(torch.tensor(5 / (640 / stride) ** 2)))

    def forward(self, maps: list[torch.Tensor]) -> list[torch.Tensor]:
        return [torch.cat((box(x), vehicle(x)), 1) for x, box, vehicle in zip(maps, self.box, self.vehicle)]


def up(x: torch.Tensor) -> torch.Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")


class AYolom(nn.Module):
    """Images [N, 3, H, W] in 0..1 (H, W multiples of 32) -> detection maps, drivable logits, lane logits."""

    def __init__(self, config: Config):
        super().__init__()
        a, b, c, d, e = config.stages
        self.config = config
        self.backbone = nn.ModuleList(
            [
                Conv(3, a, 3, 2),
                Conv(a, b, 3, 2),
                C2f(b, b, 1, True),
                Conv(b, c, 3, 2),
                C2f(c, c, 2, True),
                Conv(c, d, 3, 2),
                C2f(d, d, 2, True),
                Conv(d, e, 3, 2),
                C2f(e, e, 1, True),
                SPPF(e),
            ]
        )
        self.neck = nn.ModuleDict(
            {
                "up16": C2f(e + d, d),
                "up8": C2f(d + c, c),
                "down16": Conv(c, c, 3, 2),
                "fuse16": C2f(c + d, d),
                "down32": Conv(d, d, 3, 2),
                "fuse32": C2f(d + e, e),
            }
        )
        self.drivable_neck = MaskNeck(config.stages)
        self.lane_neck = MaskNeck(config.stages)
        self.detect = DetectHead((c, d, e), config.box_width)
        self.drivable_head = MaskHead(a, config.mask_width)
        self.lane_head = MaskHead(a, config.mask_width)

    def forward(self, x: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor, torch.Tensor]:
        kept = []
        for layer in self.backbone:
            x = layer(x)
            kept.append(x)
        skips = [kept[6], kept[4], kept[2], kept[0]]
        neck = self.neck
        at16 = neck["up16"](torch.cat((up(x), kept[6]), 1))
        at8 = neck["up8"](torch.cat((up(at16), kept[4]), 1))
        down16 = neck["fuse16"](torch.cat((neck["down16"](at8), at16), 1))
        down32 = neck["fuse32"](torch.cat((neck["down32"](down16), x), 1))
        return (
            self.detect([at8, down16, down32]),
            self.drivable_head(self.drivable_neck(x, skips)),
            self.lane_head(self.lane_neck(x, skips)),
        )


def anchors(maps: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Centres [A, 2] in cells and strides [A] of all cells of the detection maps."""
    points, strides = [], []
    for cells, stride in zip(maps, STRIDES):
        height, width = cells.shape[-2:]
        y, x = torch.meshgrid(
            torch.arange(height, device=cells.device) + 0.5, torch.arange(width, device=cells.device) + 0.5, indexing="ij"
        )
        points.append(torch.stack((x, y), -1).view(-1, 2))
        strides.append(torch.full((height * width,), float(stride), device=cells.device))
    return torch.cat(points), torch.cat(strides)


def flatten(maps: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Detection maps -> bins [N, A, 4, REG_MAX] and vehicle logits [N, A]."""
    flat = torch.cat([cells.flatten(2) for cells in maps], 2).transpose(1, 2)
    return flat[..., : 4 * REG_MAX].unflatten(-1, (4, REG_MAX)), flat[..., -1]


def decode(bins: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Bins [N, A, 4, REG_MAX] -> corners [N, A, 4] (x0, y0, x1, y1) in cells."""
    sides = bins.softmax(-1) @ torch.arange(REG_MAX, dtype=bins.dtype, device=bins.device)
    return torch.cat((points - sides[..., :2], points + sides[..., 2:]), -1)


def build(name: str) -> AYolom:
    model = AYolom(CONFIGS[name])
    expected = PARAMETERS.get(name)
    count = sum(p.numel() for p in model.parameters())
    if expected is not None and count != expected:
        raise AssertionError(f"A-YOLOM {name} has {count} parameters, not {expected}")
    return model
