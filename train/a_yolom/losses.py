"""The losses of A-YOLOM: CIoU, binary cross-entropy and DFL on boxes that task alignment assigns; Tversky and focal on masks."""

import math

import torch
from torch.nn import functional as F

from model import REG_MAX, anchors, decode, flatten

BOX, CLASS, DFL = 7.5, 0.5, 1.5
TVERSKY, FOCAL = 8.0, 24.0
TOP_CANDIDATES, SCORE_POWER, OVERLAP_POWER = 10, 0.5, 6.0


def ciou(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Complete IoU (arXiv 1911.08287) of corners [..., 4], broadcast."""
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    size_a, size_b = a[..., 2:] - a[..., :2], b[..., 2:] - b[..., :2]
    overlap = shared / (size_a.prod(-1) + size_b.prod(-1) - shared + 1e-7)
    hull = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
    distance = ((a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) ** 2).sum(-1) / 4
    angle = torch.atan(size_a[..., 0] / (size_a[..., 1] + 1e-7)) - torch.atan(size_b[..., 0] / (size_b[..., 1] + 1e-7))
    aspect = 4 / math.pi**2 * angle**2
    with torch.no_grad():
        weight = aspect / (aspect - overlap + 1 + 1e-7)
    return overlap - distance / ((hull**2).sum(-1) + 1e-7) - weight * aspect


@torch.no_grad()
def assign(
    scores: torch.Tensor, corners: torch.Tensor, points: torch.Tensor, boxes: torch.Tensor, valid: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Task-aligned assignment (arXiv 2108.07755).

    scores [N, A], predicted corners [N, A, 4], points [A, 2], boxes [N, B, 4], all in pixels; valid [N, B].
    Gives the target score [N, A] (0: background) and the index of the box [N, A] of each cell.
    """
    sides = torch.cat((points - boxes[:, :, None, :2], boxes[:, :, None, 2:] - points), -1)
    inside = (sides.amin(-1) > 1e-6) & valid[..., None]
    overlap = ciou(boxes[:, :, None], corners[:, None]).clamp(min=0) * inside
    alignment = scores[:, None].clamp(min=1e-9) ** SCORE_POWER * overlap**OVERLAP_POWER
    best = alignment.topk(TOP_CANDIDATES, -1)
    chosen = torch.zeros_like(inside).scatter_(-1, best.indices, True) & inside & (alignment > 0)
    # A cell that several boxes want goes to the one that it overlaps most.
    owner = torch.where(chosen, overlap, -1.0).argmax(1)
    chosen &= torch.arange(boxes.shape[1], device=boxes.device)[None, :, None] == owner[:, None]
    alignment = alignment * chosen
    top_overlap = (overlap * chosen).amax(-1, keepdim=True)
    target = alignment / (alignment.amax(-1, keepdim=True) + 1e-9) * top_overlap
    return target.amax(1), owner


def detection_loss(maps: list[torch.Tensor], boxes: torch.Tensor, valid: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """maps as the model gives them; boxes [N, B, 4] in pixels. Gives the weighted CIoU, class and DFL losses."""
    points, strides = anchors(maps)
    bins, logits = flatten([cells.float() for cells in maps])
    corners = decode(bins, points)
    pixels = corners.detach() * strides[:, None]
    target, owner = assign(logits.detach().sigmoid(), pixels, points * strides[:, None], boxes, valid)
    total = target.sum().clamp(min=1)
    classes = F.binary_cross_entropy_with_logits(logits, target, reduction="sum") / total
    chosen = target > 0
    weight = target[chosen]
    wanted = boxes.gather(1, owner[..., None].expand(-1, -1, 4)) / strides[:, None]
    fit = ((1 - ciou(corners[chosen], wanted[chosen])) * weight).sum() / total
    centre = points.expand(boxes.shape[0], -1, -1)[chosen]
    sides = torch.cat((centre - wanted[chosen][:, :2], wanted[chosen][:, 2:] - centre), -1).clamp(0, REG_MAX - 1.01)
    lower = sides.long()
    share = sides - lower
    logs = bins[chosen].log_softmax(-1)
    lower_log = logs.gather(-1, lower[..., None])[..., 0]
    upper_log = logs.gather(-1, lower[..., None] + 1)[..., 0]
    distribution = (-(lower_log * (1 - share) + upper_log * share).mean(-1) * weight).sum() / total
    return BOX * fit, CLASS * classes, DFL * distribution


def mask_loss(logits: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """logits [N, 2, H, W], mask [N, H, W] in {0, 1}: Tversky (0.7 on what is missed) and focal loss, weighted."""
    logs = logits.float().log_softmax(1)
    chance = logs[:, 1].exp()
    hit = (chance * mask).sum((1, 2))
    missed = ((1 - chance) * mask).sum((1, 2))
    wrong = (chance * (1 - mask)).sum((1, 2))
    tversky = 1 - (hit + 1) / (hit + 0.7 * missed + 0.3 * wrong + 1)
    right_log = torch.where(mask > 0, logs[:, 1], logs[:, 0])
    balance = torch.where(mask > 0, 0.25, 0.75)
    focal = -(balance * (1 - right_log.exp()) ** 2 * right_log).mean()
    return TVERSKY * tversky.mean(), FOCAL * focal
