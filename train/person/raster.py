"""A z-buffer in plain tensor operations: every triangle gives the pixels of its bounding box, the nearest one that covers a pixel wins."""

import torch


def rasterize(points, triangles, size, keep=None, depth_only=False):
    """points [v, 3]: x, y in pixels, depth. `keep(triangle, barycentric)` may drop fragments.

    Returns depth [size, size] (inf where nothing is), triangle [size, size] (-1), barycentric [size, size, 3].
    """
    device = points.device
    chunk = 48_000_000 if points.is_cuda else 6_000_000  # fragments at once
    a, b, c = (points[triangles[:, k]] for k in range(3))
    low = torch.minimum(torch.minimum(a, b), c)[:, :2].sub(0.5).ceil().long().clamp(min=0)
    high = torch.maximum(torch.maximum(a, b), c)[:, :2].sub(0.5).floor().long().clamp(max=size - 1)
    extent = (high - low + 1).clamp(min=0)
    counts = extent[:, 0] * extent[:, 1]
    used = counts.nonzero()[:, 0]
    low, extent, counts = low[used], extent[used], counts[used]
    ab, ac, origin = (b - a)[used], (c - a)[used], a[used]
    area = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]
    area = torch.where(area.abs() < 1e-12, torch.full_like(area, 1e-12), area)
    empty = 2**62
    best = torch.full((size * size,), empty, dtype=torch.int64, device=device)
    ends = counts.cumsum(0)
    start = 0
    while start < len(used):
        base = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(torch.searchsorted(ends, base + chunk)))
        here = torch.arange(start, stop, device=device)
        t = torch.repeat_interleave(here, counts[start:stop])
        offset = torch.arange(len(t), device=device) + base - (ends[t] - counts[t])
        x, y = low[t, 0] + offset % extent[t, 0], low[t, 1] + offset // extent[t, 0]
        px, py = x + 0.5 - origin[t, 0], y + 0.5 - origin[t, 1]
        u = (px * ac[t, 1] - py * ac[t, 0]) / area[t]
        v = (ab[t, 0] * py - ab[t, 1] * px) / area[t]
        inside = (u >= 0) & (v >= 0) & (u + v <= 1)
        t, x, y, u, v = t[inside], x[inside], y[inside], u[inside], v[inside]
        depth = origin[t, 2] + u * ab[t, 2] + v * ac[t, 2]
        if keep is not None:
            shown = keep(used[t], u, v)
            t, x, y, depth = t[shown], x[shown], y[shown], depth[shown]
        # 30 bits of depth above 32 bits of the triangle's number: one minimum finds both.
        key = ((depth * (2**30 / 16)).long().clamp(0, 2**30 - 1) << 32) | used[t]
        best.scatter_reduce_(0, y * size + x, key, "amin")
        start = stop
    found = best != empty
    depth = torch.where(found, (best >> 32).float() * (16 / 2**30), torch.inf).reshape(size, size)
    if depth_only:
        return depth, None, None
    triangle = torch.where(found, best & 0xFFFFFFFF, -1)
    chosen = triangle.clamp(min=0)
    a, b, c = (points[triangles[chosen, k], :2] for k in range(3))
    index = torch.arange(size * size, device=device)
    p = torch.stack([index % size + 0.5, index // size + 0.5], 1) - a
    ab, ac = b - a, c - a
    area = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]
    area = torch.where(area.abs() < 1e-12, torch.full_like(area, 1e-12), area)
    u = (p[:, 0] * ac[:, 1] - p[:, 1] * ac[:, 0]) / area
    v = (ab[:, 0] * p[:, 1] - ab[:, 1] * p[:, 0]) / area
    return depth, triangle.reshape(size, size), torch.stack([1 - u - v, u, v], 1).reshape(size, size, 3)
