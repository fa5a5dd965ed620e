"""The frames that training sees: the person in known poses. Made on the GPU in under a minute."""

import json
import math

import torch

from geometry import CAMERA, JOINTS
from shade import render


def poses(subject, track_path, count, seed=5):
    """weights [count, 51], turns [count, joints, 3], shift [count, 3]. Frame 0 is the canonical one: all at rest."""
    track = json.load(open(track_path))
    generator = torch.Generator().manual_seed(seed)
    random = lambda *shape: torch.rand(*shape, generator=generator)
    order = [track["names"].index(name) for name in subject.morph_names]
    frames = torch.tensor([frame["weights"] for frame in track["frames"]])[:, order]
    weights = frames[torch.linspace(0, len(frames) - 1, count).long()] * 1.15
    name = subject.morph_names.index
    for i in range(count):
        if i % 3 == 1:
            chosen = torch.randperm(len(subject.morph_names), generator=generator)[:3]
            weights[i, chosen] = weights[i, chosen] + 0.75 * random(3)
        if i % 3 == 2:
            weights[i, name("jawOpen")] = 0.75 * random(1)
            for side in ("Left", "Right"):
                weights[i, name("mouthSmile" + side)] = 0.8 * random(1)
        look = (random(2) - 0.5) * 1.2 * (random(1) < 0.5)
        for side, inward in (("Left", -1), ("Right", 1)):
            weights[i, name("eyeLookIn" + side)] += (look[0] * inward).clamp(min=0)
            weights[i, name("eyeLookOut" + side)] += (-look[0] * inward).clamp(min=0)
            weights[i, name("eyeLookUp" + side)] += look[1].clamp(min=0)
            weights[i, name("eyeLookDown" + side)] += (-look[1]).clamp(min=0)
    weights = weights.clamp(0, 1)
    t = torch.linspace(0, 60, count)
    wave = lambda amplitude: sum(amplitude / 1.6 * (t * (0.37 + 0.9 * float(random(1))) * k + 6.28 * float(random(1))).sin() / k for k in (1, 2, 3))
    turns = torch.zeros(count, len(JOINTS), 3)
    turns[:, 1] = torch.stack([wave(0.022), wave(0.035), wave(0.022)], 1)
    turns[:, 2] = torch.stack([wave(0.08), wave(0.17), wave(0.05)], 1)
    turns[:, 3] = torch.stack([wave(0.09), wave(0.19), wave(0.06)], 1)
    shift = torch.stack([wave(0.014), wave(0.006), wave(0.012)], 1)
    # From time to time the whole person turns away, so that an orbit finds hair and ears that were learnt; the head alone learns from these.
    away = (torch.arange(count) % 8 == 5) & (torch.arange(count) > 0)
    turns[away, 0, 1] = (random(int(away.sum())) * 0.9 + 0.25) * (random(int(away.sum())) < 0.5).float().mul(2).sub(1)
    weights[0], turns[0], shift[0] = 0, 0, 0
    return weights, turns, shift


def make(subject, track_path, count, size, over):
    """All frames on the subject's device: rgb (premultiplied) as bytes, masks of head and body as bytes, and how often each triangle shows."""
    device = subject.device
    weights, turns, shift = (x.to(device) for x in poses(subject, track_path, count))
    pictures = torch.zeros(count, size, size, 5, dtype=torch.uint8, device=device)
    shown = torch.zeros(len(subject.triangles) + 1, device=device)
    for i in range(count):
        rgb, head, body, triangle, _ = render(subject, CAMERA, weights[i], turns[i], shift[i], size, over)
        pictures[i] = (torch.cat([rgb, head[..., None], body[..., None]], 2).clamp(0, 1) * 255).round().byte()
        shown += torch.bincount(triangle.reshape(-1) + 1, minlength=len(shown)).float()
    # Views from the sides, so that an orbit finds no holes.
    for angle in (-1.1, -0.7, -0.35, 0.35, 0.7, 1.1):
        camera = side_view(angle)
        _, _, _, triangle, _ = render(subject, camera, weights[0], turns[0], shift[0], size, over)
        shown += torch.bincount(triangle.reshape(-1) + 1, minlength=len(shown)).float() * count / 20
    return {"pictures": pictures, "weights": weights, "turns": turns, "shift": shift, "shown": shown[1:]}


def side_view(angle):
    distance = CAMERA["position"][2]
    return {**CAMERA, "position": [distance * math.sin(angle), CAMERA["position"][1], distance * math.cos(angle)]}
