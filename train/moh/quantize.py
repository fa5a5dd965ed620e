"""Q4_1 as ggml stores it: groups of 32 neighbours, each a scale and a minimum in halves and 32 levels of 4 bits."""

import numpy as np
import torch
from torch import Tensor

GROUP = 32


def levels(matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(scales [groups, 1], minima [groups, 1], levels [groups, 32]) of a float32 matrix."""
    groups = matrix.reshape(-1, GROUP)
    least, most = groups.amin(1, keepdim=True), groups.amax(1, keepdim=True)
    scale = (most - least) / 15
    inverse = torch.where(scale == 0, 0.0, 1 / scale)
    return scale, least, ((groups - least) * inverse + 0.5).floor().clamp(0, 15)


def rounded(matrix: Tensor) -> Tensor:
    """What a matrix is when it has been stored and read back."""
    scale, least, steps = levels(matrix)
    return (scale.half().float() * steps + least.half().float()).view_as(matrix)


def straight_through(matrix: Tensor) -> Tensor:
    """The rounded matrix, with the gradient of the matrix itself."""
    return matrix + (rounded(matrix) - matrix).detach()


def packed(matrix: Tensor) -> np.ndarray:
    """The bytes of the file: [rows, columns / 32 · 20] of uint8."""
    scale, least, steps = (part.cpu().numpy() for part in levels(matrix.detach().float()))
    steps = steps.astype(np.uint8)
    nibbles = steps[:, : GROUP // 2] | (steps[:, GROUP // 2 :] << 4)
    blocks = [scale.astype(np.float16).view(np.uint8), least.astype(np.float16).view(np.uint8), nibbles]
    return np.concatenate(blocks, 1).reshape(matrix.shape[0], -1)
