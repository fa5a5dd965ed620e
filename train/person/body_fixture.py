"""What the networks of the shipped body say in three poses, for the runtime's tests. Double precision.

python body_fixture.py [../../models/vitrail-person.zip ../../e2e/fixtures/avatars/vitrail-person.body.json]
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch

from archive import read_safetensors, read_zip
from body import Body
from geometry import CAMERA, JOINTS, LANDMARKS, blended, moved, project, skin_matrices, skin_weights, view_of

POSES = [((0, 0, 0), (0, 0, 0), (0, 0, 0)), ((0.02, 0.03, -0.01), (-0.04, 0.15, 0.03), (0.004, -0.003, 0.002)),
         ((-0.015, -0.03, 0.02), (0.05, -0.2, -0.02), (-0.003, 0.002, -0.004))]
PIXELS = 40


def read_body(archive):
    """The body of an archive (docs/avatar-format.md)."""
    texts, arrays = read_safetensors(read_zip(archive)["body.safetensors"])
    tensors = {name: torch.from_numpy(array.astype(np.float64)) for name, array in arrays.items()}
    body = Body(int(texts["image"]), int(texts["pad"]), *tensors["latents"].shape[:2], tensors["warp.0.bias"].shape[0], json.loads(texts["frequencies"])).double()
    body.load_state_dict({name: tensors[name] for name in body.state_dict()})
    return body, tensors


@torch.no_grad()
def sampled(body, chest, neck, shift, generator):
    """Pixels drawn at random, two in three of them on the body."""
    turns = torch.zeros(len(JOINTS), 3, dtype=torch.float64)
    turns[1], turns[2] = torch.tensor(chest), torch.tensor(neck)
    shift, marks = torch.tensor(shift, dtype=torch.float64), torch.tensor(LANDMARKS, dtype=torch.float64)
    matrices = skin_matrices(turns, shift)
    seen, _ = project(moved(marks, blended(matrices, skin_weights(marks))), view_of(CAMERA, body.image, dtype=torch.float64), body.image)
    condition = body.condition(turns[1:3].reshape(-1), shift * 10, seen)
    uv = torch.rand(PIXELS * 8, 2, generator=generator, dtype=torch.float64)
    rgb, alpha, du = body(uv, condition)
    on = alpha[:, 0] > 0.5
    chosen = torch.cat([on.nonzero()[: PIXELS * 2 // 3], (~on).nonzero()[: PIXELS // 3]]).flatten()
    rounded = lambda tensor: [[round(v, 6) for v in row] for row in tensor[chosen].tolist()]
    return {"chest": turns[1].tolist(), "neck": turns[2].tolist(), "shift": shift.tolist(), "condition": [round(v, 6) for v in condition.tolist()],
            "uv": uv[chosen].tolist(), "rgba": rounded(torch.cat([rgb.clamp(0, 1), alpha], 1)), "displacement": rounded(du)}


def main(archive="../../models/vitrail-person.zip", target="../../e2e/fixtures/avatars/vitrail-person.body.json"):
    (body, _), generator = read_body(archive), torch.Generator().manual_seed(6)
    Path(target).write_text(json.dumps([sampled(body, *pose, generator) for pose in POSES], separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
