"""What weights become in a file: groups of 32 that share a scale in half precision, in Q4_1 a least number too, and their bytes as ggml lays them out."""

import numpy as np
import torch
from torch import Tensor

GROUP = 32


def rounded(weights: Tensor, form: str) -> Tensor:
    """Groups [groups, 32] as they come back out of a file."""
    scale, least, levels = _levels(weights, form)
    return scale.half().float() * levels + least.half().float()


def rounded_all(matrices: list[Tensor], form: str) -> list[Tensor]:
    """Matrices as they come back out of a file. Their rows are whole groups, so all of them are rounded as one list of groups."""
    groups = torch.cat([matrix.reshape(-1) for matrix in matrices]).view(-1, GROUP)
    parts = rounded(groups, form).view(-1).split([matrix.numel() for matrix in matrices])
    return [part.view_as(matrix) for part, matrix in zip(parts, matrices, strict=True)]


def packed(weights: Tensor, form: str) -> np.ndarray:
    """[rows, bytes of a row]."""
    scale, least, levels = _levels(weights.reshape(-1, GROUP), form)
    nibbles = (levels + (8 if form == "Q4_0" else 0)).to(torch.uint8)
    own = nibbles[:, : GROUP // 2] | nibbles[:, GROUP // 2 :] << 4
    halves = [part.half().view(torch.uint8) for part in ([scale] if form == "Q4_0" else [scale, least])]
    return torch.cat([*halves, own], 1).reshape(len(weights), -1).cpu().numpy()


def unpacked(rows: np.ndarray, form: str) -> np.ndarray:
    """What `packed` made, as numbers."""
    scales = 2 if form == "Q4_0" else 4
    blocks = rows.reshape(-1, scales + GROUP // 2)
    halves = blocks[:, :scales].copy().view(np.float16).astype(np.float32)
    levels = np.concatenate([blocks[:, scales:] & 15, blocks[:, scales:] >> 4], 1).astype(np.float32)
    least = halves[:, 1:] if form == "Q4_1" else -8 * halves[:, :1]
    return (halves[:, :1] * levels + least).reshape(len(rows), -1)


def _levels(groups: Tensor, form: str) -> tuple[Tensor, Tensor, Tensor]:
    """Scales and least numbers [groups, 1], and how many scales each weight is above them [groups, 32]."""
    if form == "Q4_0":
        largest = groups.gather(1, groups.abs().argmax(1, keepdim=True))
        scale, least, below = largest / -8, torch.zeros_like(largest), 8
    else:
        least = groups.amin(1, keepdim=True)
        scale, below = (groups.amax(1, keepdim=True) - least) / 15, 0
    shares = (groups - least) * torch.where(scale == 0, 0.0, 1 / scale)
    return scale, least, (shares + below + 0.5).trunc().clamp(0, 15) - below
