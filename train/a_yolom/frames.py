"""The real frames that `prepare.py` packed."""

from pathlib import Path

import numpy as np
import torch

from augment import augmented
from scenes import Batch

ZOOM = (0.35, 1.3)


class Frames:
    def __init__(self, path: Path, height: int, width: int, device: torch.device, seed: int):
        packed = np.load(path)
        self.images = torch.from_numpy(packed["images"]).to(device).permute(0, 3, 1, 2)
        self.masks = torch.from_numpy(packed["masks"]).to(device)
        boxes = packed["boxes"]
        most = int((boxes[..., 2] > 0).sum(1).max())
        # Boxes stand first in their rows: what no frame uses need not be matched at every step.
        self.boxes = torch.from_numpy(boxes[:, :most].copy()).to(device)
        self.height, self.width, self.device = height, width, device
        self.random = torch.Generator(device).manual_seed(seed)

    def draw(self, count: int) -> Batch:
        """Frames chosen and augmented at random."""
        which = torch.randint(len(self.images), (count,), generator=self.random, device=self.device)
        masks, boxes = self.masks[which], self.boxes[which]
        images = self.images[which].float() / 255
        frames = Batch(images, (masks & 1).float(), ((masks >> 1) & 1).float(), boxes, boxes[..., 2] > 0)
        return augmented(frames, self.height, self.width, ZOOM, self.random)
