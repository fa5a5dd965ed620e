"""Renders the person in some poses, to look at: python look.py ict-facekit.npz look.png"""

import sys

import torch

from geometry import CAMERA, JOINTS
from png import write_png
from shade import render
from subject import Subject


def main(npz, path, size=512, over=1, occlusion=24):
    device = "cuda" if torch.cuda.is_available() else "cpu"
    subject = Subject(npz, device, occlusion=int(occlusion))
    pictures = []
    for yaw, expression in ((0.0, {}), (0.0, {"mouthSmileLeft": 0.8, "mouthSmileRight": 0.8, "jawOpen": 0.15, "browInnerUp": 0.3}), (0.5, {"jawOpen": 0.5})):
        weights = torch.zeros(len(subject.morph_names), device=device)
        for name, value in expression.items():
            weights[subject.morph_names.index(name)] = value
        turns = torch.zeros(len(JOINTS), 3, device=device)
        turns[2, 1] = turns[3, 1] = yaw / 2
        rgb, head, body, _, _ = render(subject, CAMERA, weights, turns, torch.zeros(3, device=device), int(size), int(over))
        pictures.append(rgb + (1 - head - body)[..., None] * torch.tensor([0.86, 0.88, 0.9], device=device))
    write_png(path, torch.cat(pictures, 1))


if __name__ == "__main__":
    with torch.no_grad():
        main(*sys.argv[1:])
