"""The body as a neural texture (Gaussian Head & Shoulders, arXiv 2405.12069): coarse colour, latents, warp and fine networks; the homography of the fast path."""

import math

import torch
import torch.nn.functional as F
from torch import nn

FREQUENCIES = {"uv": 6, "pose": 2, "translation": 2, "landmarks": 2}


def encode(x, frequencies):
    """PE(x, L) = [x, sin(2^k pi x), cos(2^k pi x)], each over all of x."""
    parts = [x]
    for k in range(frequencies):
        angle = x * (math.pi * 2**k)
        parts += [angle.sin(), angle.cos()]
    return torch.cat(parts, -1)


def network(inputs, hidden, outputs):
    sizes = [inputs, hidden, hidden, hidden, hidden, outputs]
    return nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:]))


def run(layers, x, shared):
    """Layers with ReLU between, for x [..., n, k]. `shared` [..., c] are the last inputs, the same for all n rows: they only move the first bias."""
    first, *rest = layers
    width = x.shape[-1]
    x = F.linear(x, first.weight[:, :width]) + F.linear(shared, first.weight[:, width:], first.bias).unsqueeze(-2)
    for layer in rest:
        x = layer(F.relu(x))
    return torch.tanh(x)


class Body(nn.Module):
    """`image` are the texels across the picture of training. A place [n, 2] that the networks are asked for is where the frame's homography takes a pixel:
    the warp only has to find what that leaves."""

    def __init__(self, image=768, pad=75, latents=8, latent_size=153, hidden=128, frequencies=FREQUENCIES):
        super().__init__()
        self.image, self.pad, self.frequencies = image, pad, frequencies
        size = image + 2 * pad
        self.coarse = nn.Parameter(torch.full((4, size, size), 0.5))
        self.latents = nn.Parameter(torch.randn(latents, latent_size, latent_size) * 0.1)
        condition = 6 * (1 + 2 * frequencies["pose"]) + 3 * (1 + 2 * frequencies["translation"]) + 8 * (1 + 2 * frequencies["landmarks"])
        self.warp = network(2 * (1 + 2 * frequencies["uv"]) + condition, hidden, 2)
        self.fine = network(latents + condition, hidden, 3)
        for layers in (self.warp, self.fine):
            nn.init.zeros_(layers[-1].weight)
            nn.init.zeros_(layers[-1].bias)

    def sample(self, texture, uv):
        """Bilinear; uv [n, 2] -> [n, channels]."""
        share = self.image / (self.image + 2 * self.pad)
        grid = (uv * 2 - 1) * share
        found = F.grid_sample(texture[None], grid[None, None], mode="bilinear", padding_mode="zeros", align_corners=False)
        return found[0, :, 0].T

    def condition(self, pose, translation, landmarks):
        """pose [6] rad, translation [3] dm, landmarks [4, 2] uv."""
        octaves = self.frequencies
        return torch.cat([encode(pose, octaves["pose"]), encode(translation, octaves["translation"]),
                          encode((2 * landmarks - 1).reshape(-1), octaves["landmarks"])])

    def displace(self, place, condition):
        return run(self.warp, encode(2 * place - 1, self.frequencies["uv"]), condition)

    def forward(self, place, condition, fine=True):
        """place [n, 2] -> rgb [n, 3], alpha [n, 1], displacement [n, 2]."""
        du = self.displace(place, condition)
        at = place + du
        coarse = self.sample(self.coarse, at)
        rgb = coarse[:, :3]
        if fine:
            rgb = rgb + run(self.fine, self.sample(self.latents, at), condition)
        return rgb, coarse[:, 3:], du


def normalizer(points):
    """[3, 3] that shifts points [n, 2] to mean 0 and deviation sqrt 2."""
    mean = points.mean(0)
    scale = math.sqrt(2) / (points - mean).norm(dim=1).pow(2).mean().sqrt()
    matrix = torch.eye(3, dtype=points.dtype, device=points.device)
    matrix[0, 0] = matrix[1, 1] = scale
    matrix[:2, 2] = -scale * mean
    return matrix


def homography(source, target):
    """Least-squares homography (8 values, h33 = 1 in normalized coordinates) from source [n, 2] to target [n, 2]."""
    source, target = source.double(), target.double()
    a, b = normalizer(source), normalizer(target)
    x, y = (source @ a[:2, :2].T + a[:2, 2]).unbind(1)
    u, v = (target @ b[:2, :2].T + b[:2, 2]).unbind(1)
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    rows = torch.cat([torch.stack([x, y, one, zero, zero, zero, -u * x, -u * y], 1),
                      torch.stack([zero, zero, zero, x, y, one, -v * x, -v * y], 1)])
    solved = torch.linalg.solve(rows.T @ rows, rows.T @ torch.cat([u, v]))
    matrix = torch.cat([solved, solved.new_ones(1)]).reshape(3, 3)
    matrix = torch.linalg.inv(b) @ matrix @ a
    return matrix / matrix[2, 2]


def transfer(matrix, points):
    """Points [n, 2] through a homography."""
    moved = points.to(matrix) @ matrix[:, :2].T + matrix[:, 2]
    return (moved[:, :2] / moved[:, 2:]).to(points)
