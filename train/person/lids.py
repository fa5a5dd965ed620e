"""Mends the lids after a short training: python lids.py work/person.pt work/state-splats.pt ict-facekit.npz mended.pt

A closed lid shows in few frames. After a hundred steps its splats still have the colours of the eye that covers them at rest; this gives them the colour of
the skin around, and spreads them as far as the lid stretches. After a training of thousands of steps there is nothing to mend.
"""

import sys

import numpy as np
import torch

from geometry import JOINTS
from subject import IDENTITY, MOOD, OFFSET, arkit_morphs

LEAST_WAY, STRETCHED = 1.0e-3, 4e-3


def main(source, state, npz, target):
    person = torch.load(source, weights_only=True, map_location="cpu")
    splats, sparse = person["splats"], person["splats"]["morphs"]
    base = torch.load(state, weights_only=True, map_location="cpu")["splats"]["base"]
    way = torch.zeros(len(base))
    for side in ("Left", "Right"):
        rows = sparse["expression"] == person["morph_names"].index("eyeBlink" + side)
        at = sparse["splat"][rows].long()
        way[at] = torch.maximum(way[at], sparse["delta"][rows].float().norm(dim=1))
    eye = splats["skin"][:, 4:6].sum(1) > 0.5
    lid = (way > LEAST_WAY) & ~eye
    lash = torch.zeros_like(lid)
    lash[lid] = nearest_is_lash(npz, base[lid])
    skin = lid & ~lash
    calm = (way > 2e-4) & (way < LEAST_WAY) & ~eye & (splats["color"].mean(1) > 0.5)
    tone = splats["color"][calm].median(0).values
    upper = base[:, 1] > JOINTS[4][2][1] - 0.0015
    moving = skin & upper & (way > 2e-3)
    splats["color"][moving] = tone * torch.tensor([0.97, 0.93, 0.92]) * (1 + 0.02 * torch.randn(int(moving.sum()), 1))
    splats["sh"][moving] = 0
    splats["opacity"][moving] = 3.0
    wide = moving & (way > STRETCHED)
    splats["scale"][moving, :2] = splats["scale"][moving, :2].clamp(min=np.log(9e-4))
    splats["scale"][wide, :2] = splats["scale"][wide, :2].clamp(min=np.log(1.25e-3), max=np.log(1.8e-3))
    # Lashes thin out, so that closed eyes get a line and no brush.
    splats["opacity"][lash] = torch.where(torch.arange(int(lash.sum())) % 2 == 0, -1.2, -9.0)
    # The eyeball makes room for the lid.
    for joint in (4, 5):
        ball = splats["skin"][:, joint] > 0.5
        back = JOINTS[joint][2][2]
        splats["position"][ball, 2] = back + 0.92 * (splats["position"][ball, 2] - back)
    splats["color"][lash] = torch.tensor([0.16, 0.11, 0.09])
    splats["sh"][lash] = 0
    print(f"{int(moving.sum())} splats of lids, {int(lash.sum())} of lashes, tone {tone.tolist()}")
    torch.save(person, target)


def nearest_is_lash(npz, points):
    data = np.load(npz, allow_pickle=True)
    names = [str(name) for name in data["materials"]]
    morphs = arkit_morphs(data)
    face = data["vertices"] + sum(weight * data["identities"][i].astype(np.float32) for i, weight in IDENTITY.items())
    face = face + sum(weight * morphs[name] for name, weight in MOOD.items())
    kinds = data["triangle_material"]
    used = (kinds == names.index("M_Face")) | (kinds == names.index("M_EyeLashes"))
    middle = torch.tensor((face[data["triangles"][used]].mean(1) / 100 + OFFSET).astype(np.float32))
    nearest = torch.cdist(points, middle).argmin(1).numpy()
    return torch.tensor(kinds[used][nearest] == names.index("M_EyeLashes"))


if __name__ == "__main__":
    main(*sys.argv[1:])
