"""The real frames that `prepare.py` packed, augmented on the GPU."""

from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from scenes import Batch


class Frames:
    def __init__(self, path: Path, height: int, width: int, device: torch.device, seed: int):
        packed = np.load(path)
        self.images = torch.from_numpy(packed["images"]).to(device).permute(0, 3, 1, 2)
        self.masks = torch.from_numpy(packed["masks"]).to(device)
        self.boxes = torch.from_numpy(packed["boxes"]).to(device)
        self.height, self.width, self.device = height, width, device
        self.random = torch.Generator(device).manual_seed(seed)

    def draw(self, count: int) -> Batch:
        """Frames zoomed, moved and mirrored at random; light, contrast and colour changed."""

        def uniform(low: float, high: float) -> torch.Tensor:
            return low + (high - low) * torch.rand(count, generator=self.random, device=self.device)

        which = torch.randint(len(self.images), (count,), generator=self.random, device=self.device)
        images, masks, boxes = self.images[which].float() / 255, self.masks[which], self.boxes[which]
        mirror = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
        zoom, across, down = uniform(0.45, 1.1), uniform(-0.4, 0.4), uniform(-0.35, 0.35)
        across, down = across * (1.1 - zoom), down * (1.1 - zoom)
        matrix = torch.zeros(count, 2, 3, device=self.device)
        matrix[:, 0, 0], matrix[:, 0, 2] = zoom * mirror, across
        matrix[:, 1, 1], matrix[:, 1, 2] = zoom, down
        grid = F.affine_grid(matrix, [count, 1, self.height, self.width], align_corners=False)
        outside = ((grid.abs() > 1).any(-1))[:, None]
        image = torch.where(outside, 114 / 255, F.grid_sample(images, grid, align_corners=False))
        bits = torch.stack((masks & 1, (masks >> 1) & 1), 1).float()
        labels = F.grid_sample(bits, grid, align_corners=False) > 0.5

        # Corners in -1..1 of the frame, then of what is cut out of it.
        size = torch.tensor([self.images.shape[3], self.images.shape[2]] * 2, device=self.device)
        place = boxes / size * 2 - 1
        x = (place[..., 0::2] - across[:, None, None]) / (zoom * mirror)[:, None, None]
        y = (place[..., 1::2] - down[:, None, None]) / zoom[:, None, None]
        raw = torch.stack((x.amin(-1), y.amin(-1), x.amax(-1), y.amax(-1)), -1)
        cut = raw.clamp(-1, 1)
        scale = torch.tensor([self.width, self.height] * 2, device=self.device) / 2
        corners = (cut + 1) * scale

        def area(one: torch.Tensor) -> torch.Tensor:
            return (one[..., 2] - one[..., 0]) * (one[..., 3] - one[..., 1])

        enough = area(cut) > 0.4 * area(raw)
        valid = (boxes[..., 2] > 0) & enough & ((corners[..., 2:] - corners[..., :2]).amin(-1) >= 4)
        tint = 0.85 + 0.3 * torch.rand(count, 3, 1, 1, generator=self.random, device=self.device)
        image = image ** uniform(0.6, 1.7).view(-1, 1, 1, 1) * tint
        image = ((image - 0.5) * uniform(0.6, 1.3).view(-1, 1, 1, 1) + 0.5).clamp(0, 1)
        masked = labels.float()
        return Batch(image, masked[:, 0], masked[:, 1], torch.where(valid[..., None], corners, 0.0), valid)
