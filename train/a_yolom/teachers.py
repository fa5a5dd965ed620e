"""The two models that label real frames: TwinLiteNet (drivable area, lanes) and YOLOX-nano (vehicles).

TwinLiteNet (arXiv 2307.10705) is written from its description: an ESPNet encoder with dilated pyramids, position and channel
attention at stride 8, and one stack of transposed convolutions for each mask.
"""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

TWIN_SIZE = (360, 640)
YOLOX_SIZE = 416
VEHICLES = (2, 5, 6, 7)
"""COCO's car, bus, train, truck: what A-YOLOM calls a vehicle."""
DILATIONS = (1, 2, 4, 8, 16)


class Activated(nn.Module):
    """Convolution without bias, batch normalization, PReLU."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int = 1):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3)
        self.act = nn.PReLU(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.act(self.bn(self.conv(x)))


class Bare(nn.Module):
    """A convolution alone, under the name that the weights file gives it."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int = 1, dilation: int = 1):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, stride, size // 2 * dilation, dilation, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x)


class NormalizedActivation(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.bn = nn.BatchNorm2d(width, eps=1e-3)
        self.act = nn.PReLU(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.act(self.bn(x))


class Pyramid(nn.Module):
    """Reduces, convolves with five dilations, sums the four larger ones cumulatively, concatenates."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int):
        super().__init__()
        width = outputs // 5
        self.c1 = Bare(inputs, width, size, stride)
        for dilation in DILATIONS:
            setattr(self, f"d{dilation}", Bare(width, outputs - 4 * width if dilation == 1 else width, 3, 1, dilation))

    def spread(self, x: torch.Tensor) -> torch.Tensor:
        reduced = self.c1(x)
        first, *larger = (getattr(self, f"d{dilation}")(reduced) for dilation in DILATIONS)
        sums = [larger[0]]
        for part in larger[1:]:
            sums.append(sums[-1] + part)
        return torch.cat([first, *sums], 1)


class DownPyramid(Pyramid):
    def __init__(self, inputs: int, outputs: int):
        super().__init__(inputs, outputs, 3, 2)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3)
        self.act = nn.PReLU(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.act(self.bn(self.spread(x)))


class ResidualPyramid(Pyramid):
    def __init__(self, width: int):
        super().__init__(width, width, 1, 1)
        self.bn = NormalizedActivation(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.bn(x + self.spread(x))


class PositionAttention(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.query_conv = nn.Conv2d(width, width // 8, 1)
        self.key_conv = nn.Conv2d(width, width // 8, 1)
        self.value_conv = nn.Conv2d(width, width, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        query, key, value = (conv(x).flatten(2) for conv in (self.query_conv, self.key_conv, self.value_conv))
        weights = (query.transpose(1, 2) @ key).softmax(-1)
        return self.gamma * (value @ weights.transpose(1, 2)).view_as(x) + x


class ChannelAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        flat = x.flatten(2)
        energy = flat @ flat.transpose(1, 2)
        weights = (energy.max(-1, keepdim=True).values - energy).softmax(-1)
        return self.gamma * (weights @ flat).view_as(x) + x


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.level1 = Activated(3, 16, 3, 2)
        self.b1 = Activated(19, 19, 3)
        self.level2_0 = DownPyramid(19, 64)
        self.level2 = nn.ModuleList(ResidualPyramid(64) for _ in range(2))
        self.b2 = Activated(131, 131, 3)
        self.level3_0 = DownPyramid(131, 128)
        self.level3 = nn.ModuleList(ResidualPyramid(128) for _ in range(3))
        self.b3 = Activated(256, 32, 3)
        self.sa = PositionAttention(32)
        self.sc = ChannelAttention()
        self.conv_sa = Activated(32, 32, 3)
        self.conv_sc = Activated(32, 32, 3)
        self.classifier = Activated(32, 32, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        half = F.avg_pool2d(image, 3, 2, 1)
        quarter = F.avg_pool2d(half, 3, 2, 1)
        at4 = start = self.level2_0(self.b1(torch.cat((self.level1(image), half), 1)))
        for block in self.level2:
            at4 = block(at4)
        at8 = start8 = self.level3_0(self.b2(torch.cat((at4, start, quarter), 1)))
        for block in self.level3:
            at8 = block(at8)
        x = self.b3(torch.cat((start8, at8), 1))
        return self.classifier(self.conv_sa(self.sa(x)) + self.conv_sc(self.sc(x)))


class Grow(nn.Module):
    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.deconv = nn.ConvTranspose2d(inputs, outputs, 2, 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3)
        self.act = nn.PReLU(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.act(self.bn(self.deconv(x)))


class TwinLiteNet(nn.Module):
    """Images [N, 3, 360, 640] in 0..1 -> logits [N, 2, 360, 640] of drivable area and of lanes."""

    def __init__(self):
        super().__init__()
        self.encoder = Encoder()
        for mask in (1, 2):
            setattr(self, f"up_1_{mask}", Grow(32, 16))
            setattr(self, f"up_2_{mask}", Grow(16, 8))
            setattr(self, f"classifier_{mask}", Grow(8, 2))

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.encoder(image)
        drivable = self.classifier_1(self.up_2_1(self.up_1_1(x)))
        lanes = self.classifier_2(self.up_2_2(self.up_1_2(x)))
        return drivable, lanes

    @classmethod
    def load(cls, path: Path) -> "TwinLiteNet":
        model = cls().eval()
        missing, unexpected = model.load_state_dict(load_file(path), strict=False)
        missing = [name for name in missing if not name.endswith("num_batches_tracked")]
        if missing or unexpected:
            raise SystemExit(f"{path}: missing {missing}, unexpected {unexpected}")
        return model

    @torch.no_grad()
    def masks(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """One picture [3, H, W] in 0..1 -> two boolean masks [H, W]."""
        small = F.interpolate(image[None], TWIN_SIZE, mode="bilinear", antialias=True, align_corners=False)
        both = [F.interpolate(logits, image.shape[1:], mode="bilinear") for logits in self(small)]
        return both[0][0].argmax(0) > 0, both[1][0].argmax(0) > 0


class YoloxNano:
    """COCO boxes from ONNX, for the labels alone."""

    def __init__(self, path: Path):
        import onnxruntime

        self.session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        cells = []
        for stride in (8, 16, 32):
            side = YOLOX_SIZE // stride
            y, x = np.mgrid[:side, :side].reshape(2, -1)
            cells.append(np.stack((x, y, np.full_like(x, stride)), -1))
        self.cells = np.concatenate(cells).astype(np.float32)

    def vehicles(self, image: torch.Tensor, threshold: float) -> np.ndarray:
        """One picture [3, H, W] in 0..1 -> [B, 5]: corners in pixels and the score, best first, overlaps suppressed."""
        height, width = image.shape[1:]
        scale = min(YOLOX_SIZE / height, YOLOX_SIZE / width)
        size = (round(height * scale), round(width * scale))
        small = F.interpolate(image[None], size, mode="bilinear", antialias=True, align_corners=False)
        canvas = np.full((1, 3, YOLOX_SIZE, YOLOX_SIZE), 114, np.float32)
        canvas[:, :, : size[0], : size[1]] = small.flip(1).numpy() * 255
        (out,) = self.session.run(None, {self.session.get_inputs()[0].name: canvas})
        out = out[0]
        centre = (out[:, :2] + self.cells[:, :2]) * self.cells[:, 2:]
        half = np.exp(out[:, 2:4]) * self.cells[:, 2:] / 2
        score = out[:, 4] * out[:, [5 + label for label in VEHICLES]].max(1)
        boxes = np.concatenate((centre - half, centre + half), 1) / scale
        boxes = np.concatenate((boxes.clip(0, [width, height, width, height]), score[:, None]), 1)
        return suppress(boxes[boxes[:, 4] > threshold], 0.45)


def suppress(boxes: np.ndarray, overlap: float) -> np.ndarray:
    """Greedy non-maximum suppression of [B, 5] boxes with scores."""
    boxes = boxes[np.argsort(-boxes[:, 4], kind="stable")]
    kept: list[np.ndarray] = []
    for box in boxes:
        if all(iou(box, other) <= overlap for other in kept):
            kept.append(box)
    return np.stack(kept) if kept else np.zeros((0, 5), np.float32)


def iou(a: np.ndarray, b: np.ndarray) -> float:
    across = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    down = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - across * down
    return float(across * down / union) if union > 0 else 0.0
