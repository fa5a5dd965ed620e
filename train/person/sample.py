"""Writes the made-up archive and expected values that tests of the runtime compare with (docs/avatar-format.md). Double precision."""

import io
import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from archive import animation_glb, ply, safetensors, skin_glb, write_zip
from body import Body, transfer
from fast_path import FastPath
from geometry import CAMERA, JOINTS, LANDMARKS, blended, moved, project, skin_matrices, skin_weights, view_of

SPLATS, ANCHORS, IMAGE, PAD, FIELDS = 300, 64, 64, 6, 3


def top4(weights):
    """Dense [n, joints] -> joints [n, 4], weights [n, 4]."""
    value, joint = weights.topk(4, 1)
    return joint.numpy(), (value / value.sum(1, keepdim=True)).numpy()


def splat_columns(generator):
    random = lambda *shape: torch.rand(*shape, generator=generator)
    rows = {"x": random(SPLATS) * 0.01, "y": random(SPLATS) * 0.01, "z": random(SPLATS) * 0.01}
    rows |= {f"f_dc_{i}": random(SPLATS) for i in range(3)}
    rows |= {f"f_rest_{i}": (random(SPLATS) - 0.5) * 0.1 for i in range(9)}
    rows |= {"opacity": random(SPLATS) * 4} | {f"scale_{i}": -4.5 - random(SPLATS) for i in range(3)}
    return rows | {f"rot_{i}": random(SPLATS) - (0 if i == 0 else 0.5) for i in range(4)}


def main(folder):
    torch.manual_seed(6)
    generator = torch.Generator().manual_seed(6)
    random = lambda *shape: torch.rand(*shape, generator=generator)
    vertices = (random(SPLATS, 3) - 0.5) * torch.tensor([0.16, 0.24, 0.18]) + torch.tensor([0.0, 0.2, 0.0])
    joints, weights = top4(skin_weights(vertices))
    morphs = {"jawOpen": (np.arange(0, 60, dtype="u2"), -0.02 * random(60, 3).numpy()),
              "eyeBlinkLeft": (np.arange(200, 230, dtype="u2"), 0.01 * random(30, 3).numpy())}
    times = np.array([0, 1, 2])
    turn = np.array([[0, 0, 0, 1], [0, 0.09983, 0, 0.995], [0, 0, 0, 1]])
    clips = {"idle": {"chest": (times, {"rotation": turn}), "root": (times, {"translation": np.array([[0, 0, 0], [0.01, 0, 0], [0, 0, 0]])})}}

    anchors = (random(ANCHORS, 3) - 0.5) * torch.tensor([0.4, 0.22, 0.0]) + torch.tensor([0.0, -0.1, 0.1])
    anchors[:, 2] -= anchors[:, 0] ** 2
    anchor_joints, anchor_weights = top4(skin_weights(anchors))
    marks = torch.tensor(LANDMARKS)
    mark_joints, mark_weights = top4(skin_weights(marks))
    rest, _ = project(anchors, view_of(CAMERA, IMAGE), IMAGE)
    body = Body(IMAGE, PAD, 4, 38, 16)
    with torch.no_grad():
        size = IMAGE + 2 * PAD
        rows, columns = torch.meshgrid(torch.linspace(0, 1, size), torch.linspace(0, 1, size), indexing="ij")
        alpha = (rows > 0.5).float()
        body.coarse.copy_(torch.stack([columns, rows, 0.5 + 0.5 * (columns * 30).sin(), alpha]))
        for layers in (body.warp, body.fine):
            torch.nn.init.normal_(layers[-1].weight, std=0.05)
        for parameter in body.parameters():
            parameter.copy_(parameter.half())
    # Smooth ways of up to two pixels.
    fields = torch.nn.functional.interpolate((random(1, 2 * FIELDS, 3, 3) - 0.5) * 0.06, size=(9, 9), mode="bilinear")[0].half()
    texture = Image.fromarray((body.coarse.detach().permute(1, 2, 0) * 255).round().byte().numpy(), "RGBA")
    png = io.BytesIO()
    texture.save(png, "PNG", optimize=True)

    half = lambda tensor: tensor.detach().numpy().astype(np.float16)
    single = lambda array: np.asarray(array, np.float32)
    tensors = {"anchors.positions": single(anchors), "anchors.joints": single(anchor_joints), "anchors.weights": single(anchor_weights),
               "anchors.targets": single(rest), "fields": fields.numpy(), "landmarks.positions": single(marks), "landmarks.joints": single(mark_joints),
               "landmarks.weights": single(mark_weights)}
    tensors |= {name: half(value) for name, value in body.state_dict().items()}
    metadata = body_metadata(IMAGE, PAD, "made-up")
    files = {"offset.ply": ply(splat_columns(generator)), "skin.glb": skin_glb(vertices, JOINTS, joints, weights, morphs),
             "animation.glb": animation_glb(JOINTS, clips), "body.safetensors": safetensors(tensors, metadata), "body.png": png.getvalue()}
    write_zip(folder / "made-up.zip", files)
    (folder / "made-up.expected.json").write_text(json.dumps(expected(body.double(), anchors.double(), marks.double(), rest.double(), fields.double())))


def body_metadata(image, pad, name):
    from body import FREQUENCIES
    return {"format": "vitrail-body 1", "image": str(image), "pad": str(pad), "camera": json.dumps(CAMERA), "pose": json.dumps(["chest", "neck"]),
            "frequencies": json.dumps(FREQUENCIES), "networks": "homography", "name": name, "license": "MIT"}


class Posing:
    """What a path asks of a scene."""

    view = view_of(CAMERA, IMAGE, dtype=torch.float64)

    def placed(self, matrices, points, skin):
        return project(moved(points, blended(matrices, skin)), self.view, IMAGE)[0]


def expected(body, anchors, marks, targets, fields):
    """Anchors' projections, homography, shares of the displacement fields and pixels of both paths for one pose."""
    turns = torch.zeros(len(JOINTS), 3, dtype=torch.float64)
    turns[1], turns[2] = torch.tensor([0.05, -0.1, 0.02]), torch.tensor([-0.04, 0.15, 0.03])
    shift = torch.tensor([0.01, -0.005, 0.008], dtype=torch.float64)
    matrices = skin_matrices(turns, shift)
    path = FastPath(Posing(), {"position": anchors, "skin": skin_weights(anchors)}, targets, fields, PAD / IMAGE)
    projected, landmarks = path.seen(matrices), Posing().placed(matrices, marks, skin_weights(marks))
    matrix = path.homography(matrices)
    pixels = torch.tensor([[10, 40], [31, 50], [55, 60], [32, 20], [5, 62]], dtype=torch.float64)
    uv = (pixels + 0.5) / IMAGE
    with torch.no_grad():
        condition = body.condition(turns[1:3].reshape(-1), shift * 10, landmarks)
        rgb, alpha, du = body(transfer(matrix, uv), condition)
        fast = body.sample((body.coarse * 255).round() / 255, path.at(matrices, uv))
    rounded = lambda tensor: [[round(v, 7) for v in row] for row in tensor.tolist()]
    return {"turns": {"chest": turns[1].tolist(), "neck": turns[2].tolist()}, "shift": shift.tolist(), "projections": rounded(projected),
            "landmarks": rounded(landmarks), "condition": [round(v, 7) for v in condition.tolist()], "homography": matrix.tolist(), "shares": path.shares(matrix, projected).tolist(),
            "pixels": pixels.tolist(), "mlp": rounded(torch.cat([rgb.clamp(0, 1), alpha], 1)), "displacement": rounded(du), "fast": rounded(fast)}


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "../../e2e/fixtures/avatars"))
