"""Looks at a trained person: rest, expressions and orbit by both paths of the body.

python picture.py person.pt FOLDER
"""

import math
import sys
from pathlib import Path

import torch

from body import Body, transfer
from fast_path import FastPath
from frames import side_view
from geometry import CAMERA, JOINTS, LANDMARKS, blended, moved, project, skin_matrices, skin_weights, view_of
from png import write_png
from splats import draw


class Person:
    def __init__(self, path):
        kept = torch.load(path, weights_only=True, map_location="cpu")
        self.names = kept["morph_names"]
        self.splats = {k: v.float() for k, v in kept["splats"].items() if k != "morphs"}
        sparse = kept["splats"]["morphs"]
        self.splats["morphs"] = torch.zeros(len(self.names), len(self.splats["position"]), 3)
        self.splats["morphs"][sparse["expression"].long(), sparse["splat"].long()] = sparse["delta"].float()
        shapes = {k: v.shape for k, v in kept["body"].items()}
        self.body = Body(kept["image"], kept["pad"], shapes["latents"][0], shapes["latents"][1], shapes["warp.0.bias"][0])
        self.body.load_state_dict({k: v.float() for k, v in kept["body"].items()})
        self.texture = kept["texture"].float() / 255
        self.path = FastPath(self, kept["anchors"], kept["targets"], kept["fields"], kept["pad"] / kept["image"])

    def placed(self, matrices, points, skin):
        return project(moved(points, blended(matrices, skin)), self.view, self.view_size)[0]

    def draw(self, weights, turns, shift, camera=CAMERA, size=512, fast=True, background=(0.86, 0.88, 0.9)):
        matrices = skin_matrices(turns, shift)
        self.view, self.view_size = view_of(camera, size), size
        vector = torch.zeros(len(self.names))
        for name, value in weights.items():
            vector[self.names.index(name)] = value
        front = draw(self.splats, matrices, vector, self.view, torch.tensor(camera["position"]), size)
        rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
        uv = (torch.stack([columns, rows], 2).reshape(-1, 2) + 0.5) / size
        if fast:
            layer = self.body.sample(self.texture, self.path.at(matrices, uv))
        else:
            marks = torch.tensor(LANDMARKS)
            seen = self.placed(matrices, marks, skin_weights(marks))
            rgb, alpha, _ = self.body(transfer(self.path.homography(matrices), uv), self.body.condition(turns[1:3].reshape(-1), shift * 10, seen))
            layer = torch.cat([rgb, alpha], 1)
        layer = layer.clamp(0, 1).reshape(size, size, 4)
        under = layer[..., 3:] * layer[..., :3] + (1 - layer[..., 3:]) * torch.tensor(background)
        return (front[..., :3] + (1 - front[..., 3:]) * under).clamp(0, 1)


@torch.no_grad()
def main(source, folder):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    person = Person(source)
    none = torch.zeros(len(JOINTS), 3)
    turned = none.clone()
    turned[1, 1], turned[2, 1], turned[3] = 0.03, 0.1, torch.tensor([0.03, 0.12, 0.02])
    still = torch.zeros(3)
    smile = {"mouthSmileLeft": 0.8, "mouthSmileRight": 0.8, "browInnerUp": 0.3}
    images = [person.draw({}, none, still), person.draw({}, none, still, fast=False), person.draw(smile, turned, still),
              person.draw({"jawOpen": 0.5}, turned, still, fast=False), person.draw({"eyeBlinkLeft": 1, "eyeBlinkRight": 1}, none, still),
              person.draw({"mouthPucker": 0.8}, none, still, side_view(0.5)), person.draw({}, none, still, side_view(-0.8))]
    images.append(person.draw({}, none, still, {**CAMERA, "position": [0, 0.2, 0.9], "target": [0, 0.2, 0]}))
    write_png(folder / "poses.png", torch.cat([torch.cat(images[:4], 1), torch.cat(images[4:], 1)]))


if __name__ == "__main__":
    main(*sys.argv[1:])
