"""What a picture and its labels look like from another crop, in another light: for drawn scenes and for real frames."""

import torch
from torch.nn import functional as F

from scenes import Batch

GREY = 114 / 255
"""What fills the borders where a camera's picture is not as wide as the input."""
LETTERBOXED, SMALLEST_SIDE, LEAST_LEFT = 0.3, 4, 0.15


@torch.no_grad()
def augmented(batch: Batch, height: int, width: int, zoom: tuple[float, float], random: torch.Generator) -> Batch:
    """Each picture zoomed (below 1: closer), moved, mirrored or not, some between grey borders, with other light and colours."""
    count, device = len(batch.image), batch.image.device

    def uniform(low: float, high: float) -> torch.Tensor:
        return low + (high - low) * torch.rand(count, generator=random, device=device)

    mirror = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    scale = uniform(*zoom)
    across, down = (uniform(-1, 1) * (1 - scale).abs() for _ in range(2))
    matrix = torch.zeros(count, 2, 3, device=device)
    matrix[:, 0, 0], matrix[:, 0, 2] = scale * mirror, across
    matrix[:, 1, 1], matrix[:, 1, 2] = scale, down
    grid = F.affine_grid(matrix, [count, 1, height, width], align_corners=False)
    # Cameras of 4:3 and squarer fill the middle of the input only.
    edge = torch.where(uniform(0, 1) < LETTERBOXED, uniform(0.6, 0.95), 1.0)
    middle = torch.linspace(-1, 1, width, device=device)[None, None].abs() <= edge[:, None, None]
    inside = ((grid.abs() <= 1).all(-1) & middle)[:, None]
    labels = torch.stack((batch.drivable, batch.lanes), 1)
    both = F.grid_sample(torch.cat((batch.image, labels), 1), grid, align_corners=False)
    image, labels = both[:, :3], (both[:, 3:] > 0.5).float() * inside
    image = lit(image, uniform, random) if count else image

    # Corners in -1..1 of the picture, then of what is cut out of it.
    size = torch.tensor([batch.image.shape[3], batch.image.shape[2]] * 2, device=device)
    place = batch.boxes / size * 2 - 1
    x = (place[..., 0::2] - across[:, None, None]) / (scale * mirror)[:, None, None]
    y = (place[..., 1::2] - down[:, None, None]) / scale[:, None, None]
    raw = torch.stack((x.amin(-1), y.amin(-1), x.amax(-1), y.amax(-1)), -1)
    limit = torch.stack((edge, torch.ones_like(edge), edge, torch.ones_like(edge)), -1)[:, None]
    cut = raw.clamp(-limit, limit)
    corners = (cut + 1) * torch.tensor([width, height] * 2, device=device) / 2
    sides = corners[..., 2:] - corners[..., :2]
    valid = batch.valid & (area(cut) > LEAST_LEFT * area(raw)) & (sides.amin(-1) >= SMALLEST_SIDE)
    boxes = torch.where(valid[..., None], corners, 0.0)
    return Batch(torch.where(inside, image, GREY), labels[:, 0], labels[:, 1], boxes, valid)


def lit(image: torch.Tensor, uniform, random: torch.Generator) -> torch.Tensor:
    """Gamma, tint, contrast, saturation, and sharpness of a picture [N, 3, H, W]."""
    tint = 0.85 + 0.3 * torch.rand(len(image), 3, 1, 1, generator=random, device=image.device)
    image = image.clamp(0, 1) ** uniform(0.6, 1.7).view(-1, 1, 1, 1) * tint
    grey = image.mean(1, keepdim=True)
    image = grey + (image - grey) * uniform(0.3, 1.5).view(-1, 1, 1, 1)
    soft = F.avg_pool2d(image, 3, 1, 1, count_include_pad=False)
    image = image + (soft - image) * uniform(-0.5, 1).view(-1, 1, 1, 1)
    return ((image - 0.5) * uniform(0.6, 1.3).view(-1, 1, 1, 1) + 0.5).clamp(0, 1)


def area(corners: torch.Tensor) -> torch.Tensor:
    return (corners[..., 2] - corners[..., 0]) * (corners[..., 3] - corners[..., 1])
