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
    revealed, tints = reveal(subject, size, over)
    data = {"pictures": pictures, "weights": weights, "turns": turns, "shift": shift}
    # They come last, where no frame is held out.
    data = {name: torch.cat([value, revealed[name]]) for name, value in data.items()}
    return data | {"shown": shown[1:], "tints": tints, "drawn": count}


# What shows places that the face at rest hides: lids, teeth, the inside of lips.
REVEALING = [{}, {"eyeBlink": 1.0}, {"eyeBlink": 0.6}, {"eyeBlink": 0.3, "jawOpen": 0.3}, {"jawOpen": 0.8}, {"mouthSmile": 0.9, "jawOpen": 0.3}, {"mouthPucker": 0.9, "eyeLookDown": 0.9}]


def reveal(subject, size, over):
    """Frames of revealing expressions, and the mean colour [triangles, 3] of every triangle that they show (NaN where none does)."""
    device = subject.device
    count = len(REVEALING)
    weights = torch.zeros(count, len(subject.morph_names), device=device)
    for row, expression in zip(weights, REVEALING):
        for name, value in expression.items():
            for k, known in enumerate(subject.morph_names):
                row[k] = value if known in (name, name + "Left", name + "Right") else row[k]
    turns, shift = torch.zeros(count, len(JOINTS), 3, device=device), torch.zeros(count, 3, device=device)
    pictures = torch.zeros(count, size, size, 5, dtype=torch.uint8, device=device)
    total = torch.zeros(len(subject.triangles) + 1, 4, device=device)
    for i in range(count):
        rgb, head, body, triangle, _ = render(subject, CAMERA, weights[i], turns[i], shift[i], size, over)
        pictures[i] = (torch.cat([rgb, head[..., None], body[..., None]], 2).clamp(0, 1) * 255).round().byte()
        whole = ((head + body) > 0.999).float()[..., None]
        samples = torch.cat([rgb * whole, whole], 2).repeat_interleave(over, 0).repeat_interleave(over, 1).reshape(-1, 4)
        total.index_add_(0, triangle.reshape(-1) + 1, samples)
    return {"pictures": pictures, "weights": weights, "turns": turns, "shift": shift}, total[1:, :3] / total[1:, 3:]


def side_view(angle):
    distance = CAMERA["position"][2]
    return {**CAMERA, "position": [distance * math.sin(angle), CAMERA["position"][1], distance * math.cos(angle)]}
