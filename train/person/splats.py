"""A differentiable splat rasterizer in plain tensor operations, with the rules of 3DGS (Kerbl et al. 2023) that the runtime has."""

import torch
import torch.nn.functional as F

from geometry import blended, moved

TILE = 8
DILATION, MAX_OPACITY, MIN_OPACITY, MARGIN, NEAR = 0.3, 0.99, 1 / 255, 1.3, 0.01


def quaternion_matrix(q):
    """Unit quaternions w, x, y, z [n, 4] -> [n, 3, 3]."""
    w, x, y, z = F.normalize(q, dim=1).unbind(1)
    return torch.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
                        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
                        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], 1).reshape(-1, 3, 3)


def degree_one(rest, direction):
    """Band 1 of the real spherical harmonics: rest [n, 3 coefficients, 3 channels], unit direction [n, 3]."""
    x, y, z = direction.unbind(1)
    basis = 0.4886025119029199 * torch.stack([-y, z, -x], 1)
    return (basis[:, :, None] * rest).sum(1)


def project(splats, matrices, weights, view, camera_position, size):
    """Splats through morphs and skin to the picture: xy, depth, conic [n, 3], colour, opacity, half extents."""
    rotation, translation, focal = view
    centre = splats["position"] + torch.einsum("e,enc->nc", weights, splats["morphs"])
    skin = blended(matrices, splats["skin"])
    centre = moved(centre, skin)
    seen = centre @ rotation.T + translation
    x, y, z = seen.unbind(1)
    z = z.clamp(min=NEAR)
    limit = MARGIN * size / 2 / focal
    tx, ty = (x / z).clamp(-limit, limit), (y / z).clamp(-limit, limit)
    zero = torch.zeros_like(z)
    jacobian = torch.stack([focal / z, zero, -focal * tx / z, zero, focal / z, -focal * ty / z], 1).reshape(-1, 2, 3)
    axes = quaternion_matrix(splats["rotation"]) * splats["scale"].exp()[:, None, :]
    rows = jacobian @ rotation @ (skin[:, :, :3] @ axes)
    a = rows[:, 0].pow(2).sum(1) + DILATION
    b = (rows[:, 0] * rows[:, 1]).sum(1)
    c = rows[:, 1].pow(2).sum(1) + DILATION
    determinant = (a * c - b * b).clamp(min=1e-8)
    conic = torch.stack([c, -b, a], 1) / determinant[:, None]
    away = F.normalize((skin[:, :, :3].transpose(1, 2) @ (centre - camera_position)[:, :, None])[:, :, 0], dim=1)
    color = splats["color"] + degree_one(splats["sh"], away)
    opacity = torch.sigmoid(splats["opacity"])
    with torch.no_grad():
        reach = 2 * (opacity / MIN_OPACITY).log().clamp(min=0)
        half = torch.stack([(reach * a).sqrt(), (reach * c).sqrt()], 1)
        half[(opacity < MIN_OPACITY) | (seen[:, 2] <= NEAR)] = -1e6
    return torch.stack([x / z, y / z], 1) * focal + size / 2, seen[:, 2], conic, color, opacity, half


def pairs_of(xy, depth, half, size):
    """(tile, splat) pairs in order of tile, then depth."""
    tiles = size // TILE
    low = ((xy - half) / TILE).floor().long().clamp(0, tiles)
    high = (((xy + half) / TILE).floor().long() + 1).clamp(0, tiles)
    extent = (high - low).clamp(min=0)
    order = depth.argsort()
    counts = (extent[:, 0] * extent[:, 1])[order]
    splat = torch.repeat_interleave(order, counts)
    offset = torch.arange(len(splat), device=xy.device) - torch.repeat_interleave(counts.cumsum(0) - counts, counts)
    tile = (low[splat, 1] + offset // extent[splat, 0].clamp(min=1)) * tiles + low[splat, 0] + offset % extent[splat, 0].clamp(min=1)
    tile, by = tile.sort(stable=True)
    return tile, splat[by]


def rasterize(projected, size):
    """-> premultiplied rgb and alpha [size, size, 4]."""
    xy, depth, conic, color, opacity, half = projected
    with torch.no_grad():
        tile, splat = pairs_of(xy, depth, half, size)
    tiles = size // TILE
    if len(tile) == 0:
        return torch.zeros(size, size, 4, device=xy.device) + 0 * color.sum()
    inside = torch.arange(TILE * TILE, device=xy.device)
    px = (tile % tiles * TILE)[:, None] + inside % TILE + 0.5
    py = (tile // tiles * TILE)[:, None] + inside // TILE + 0.5
    features = torch.cat([xy, conic, opacity[:, None], color], 1)[splat]
    dx, dy = px - features[:, 0:1], py - features[:, 1:2]
    power = -0.5 * (features[:, 2:3] * dx * dx + features[:, 4:5] * dy * dy) - features[:, 3:4] * dx * dy
    alpha = (features[:, 5:6] * power.clamp(max=0).exp()).clamp(max=MAX_OPACITY)
    alpha = torch.where(alpha < MIN_OPACITY, torch.zeros_like(alpha), alpha)
    # Light that is left: a running sum of logarithms over all pairs, less its value where the tile begins.
    left = torch.log1p(-alpha).double().cumsum(0)
    before = left - torch.log1p(-alpha)
    first = torch.ones_like(tile, dtype=torch.bool)
    first[1:] = tile[1:] != tile[:-1]
    start = first.nonzero()[:, 0][first.long().cumsum(0) - 1]
    share = alpha * (before - before[start]).exp().to(alpha.dtype)
    layers = torch.stack([share * features[:, 6 + k : 7 + k] for k in range(3)] + [share], 2)
    image = torch.zeros(tiles * tiles, TILE * TILE, 4, device=xy.device, dtype=alpha.dtype).index_add(0, tile, layers)
    return image.reshape(tiles, tiles, TILE, TILE, 4).permute(0, 2, 1, 3, 4).reshape(size, size, 4)


def draw(splats, matrices, weights, view, camera_position, size):
    return rasterize(project(splats, matrices, weights, view, camera_position, size), size)
