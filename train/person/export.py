"""Writes the archive of docs/avatar-format.md from what training left:

python export.py work/person.pt expression-track.json ../../models/vitrail-person.zip [--body-splats work/state-torso.pt]

With --body-splats the baseline's splats of the torso follow the head's in offset.ply and skin.glb, for a runtime that does not draw the texture.
"""

import argparse
import io
import json
import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from archive import animation_glb, ply, safetensors, skin_glb, write_zip
from geometry import JOINTS, LANDMARKS, skin_weights
from sample import body_metadata, top4

LIMIT = 6_000_000
LEAST_OPACITY = 0.02


def quaternion(vector):
    """Rotation vectors [n, 3] -> x, y, z, w [n, 4]."""
    vector = np.asarray(vector, np.float64)
    angle = np.linalg.norm(vector, axis=1, keepdims=True)
    axis = vector / np.maximum(angle, 1e-12)
    return np.concatenate([axis * np.sin(angle / 2), np.cos(angle / 2)], 1)


def swaying(seconds, amounts, rate=8):
    """Keys of a loop: sums of whole waves. `amounts`: {joint: ([x, y, z] amplitudes in radians, waves)}, "root" in metres."""
    times = np.linspace(0, seconds, int(seconds * rate) + 1)
    clip = {}
    for number, (joint, (amplitude, waves, lean)) in enumerate(amounts.items()):
        phase = np.array([0.3, 1.9, 4.1]) + number * 1.7
        turn = 2 * math.pi * times[:, None] / seconds
        motion = np.asarray(amplitude) * (np.sin(turn * waves + phase) + 0.4 * np.sin(turn * (waves + 1) + phase * 2)) + np.asarray(lean)
        clip[joint] = (times, {"translation": motion} if joint == "root" else {"rotation": quaternion(motion)})
    return clip


def speaking(track_path, start=4.0, seconds=12.0, blend=1.5):
    """The head of a speaker (expression-track.json, MIT), closed to a loop; neck and head share the turn."""
    pose = np.array(json.loads(Path(track_path).read_text())["head_pose"]) * 1.4
    first, count, over = int(start * 30), int(seconds * 30), int(blend * 30)
    part = pose[first : first + count].copy()
    share = np.linspace(0, 1, over)[:, None] ** 2 * (3 - 2 * np.linspace(0, 1, over)[:, None])
    part[-over:] = part[-over:] * (1 - share) + pose[first - over : first] * share
    part = np.concatenate([part, part[:1]])[::3]
    times = np.arange(len(part)) / 10
    chest = swaying(times[-1], {"chest": ((0.004, 0.012, 0.006), 2, (0, 0, 0)), "root": ((0.001, 0.0008, 0.002), 3, (0, 0, 0))})
    return chest | {"neck": (times, {"rotation": quaternion(part * 0.4)}), "head": (times, {"rotation": quaternion(part * 0.6)})}


def clips(track_path):
    none = (0, 0, 0)
    return {
        "idle": swaying(10, {"root": ((0.002, 0.0012, 0.002), 1, none), "chest": ((0.006, 0.007, 0.004), 2, none),
                             "neck": ((0.008, 0.02, 0.006), 1, none), "head": ((0.012, 0.022, 0.008), 1, none)}),
        "listening": swaying(6, {"root": ((0.001, 0.001, 0.002), 1, (0, 0, 0.004)), "chest": ((0.005, 0.004, 0.004), 1, (0.01, 0, 0)),
                                 "neck": ((0.012, 0.01, 0.004), 1, (0.02, 0.03, 0.03)), "head": ((0.028, 0.01, 0.006), 2, (0.01, 0.03, 0.05))}),
        "thinking": swaying(8, {"root": ((0.002, 0.001, 0.001), 1, none), "chest": ((0.004, 0.006, 0.004), 1, none),
                                "neck": ((0.008, 0.016, 0.006), 1, (-0.03, -0.07, 0.02)), "head": ((0.012, 0.02, 0.008), 1, (-0.05, -0.09, 0.03))}),
        "speaking": speaking(track_path),
    }


def rounded(tensor):
    """Half precision: the file shrinks, the picture does not change."""
    return tensor.half().float().numpy()


def columns(splats):
    zeros = np.zeros(len(splats["position"]), np.float32)
    rotation = torch.nn.functional.normalize(splats["rotation"], dim=1)
    result = {"x": zeros, "y": zeros, "z": zeros}
    result |= {f"f_dc_{i}": rounded(splats["color"][:, i]) for i in range(3)}
    # Channel by channel, as 3DGS writes it.
    result |= {f"f_rest_{c * 3 + k}": rounded(splats["sh"][:, k, c]) for c in range(3) for k in range(3)}
    result |= {"opacity": rounded(splats["opacity"])} | {f"scale_{i}": rounded(splats["scale"][:, i]) for i in range(3)}
    return result | {f"rot_{i}": rounded(rotation[:, i]) for i in range(4)}


def kept_splats(person):
    """Splats that show, and their morphs: {name: (indices, deltas)}."""
    splats, sparse = person["splats"], person["splats"]["morphs"]
    shown = torch.sigmoid(splats["opacity"]) >= LEAST_OPACITY
    place = torch.full((len(shown),), -1, dtype=torch.int64)
    place[shown] = torch.arange(int(shown.sum()))
    kept = {name: value[shown].float() for name, value in splats.items() if name not in ("morphs", "base")}
    index = place[sparse["splat"].long()]
    morphs = {}
    for number, name in enumerate(person["morph_names"]):
        rows = (sparse["expression"] == number) & (index >= 0)
        order = index[rows].argsort()
        morphs[name] = (index[rows][order].numpy(), sparse["delta"][rows][order].float().numpy())
    return kept, morphs


def body_file(person, name, splats):
    anchors, body = person["anchors"], dict(person["body"])
    joints, weights = top4(anchors["skin"])
    marks = torch.tensor(LANDMARKS)
    mark_joints, mark_weights = top4(skin_weights(marks))
    single = lambda array: np.asarray(array, np.float32)
    tensors = {"anchors.positions": single(anchors["position"]), "anchors.joints": single(joints), "anchors.weights": single(weights),
               "anchors.targets": single(person["targets"]), "landmarks.positions": single(marks),
               "landmarks.joints": single(mark_joints), "landmarks.weights": single(mark_weights)}
    if person["fields"] is not None:
        tensors["fields"] = person["fields"].numpy().astype(np.float16)
    body["coarse"] = (body["coarse"].float().clamp(0, 1) * 255).round() / 255
    tensors |= {key: value.detach().numpy().astype(np.float16) for key, value in body.items()}
    return safetensors(tensors, body_metadata(person["image"], person["pad"], name) | {"bodySplats": str(splats)})


def texture_file(texture):
    """The baked texture as WebP without loss: a fitted texture lost 0.3 dB to halved colours. Colours under alpha 0 are gray so that they cost nothing."""
    pixels = texture.permute(1, 2, 0).numpy().copy()
    pixels[pixels[..., 3] < 2] = (90, 90, 90, 0)
    file = io.BytesIO()
    Image.fromarray(pixels, "RGBA").save(file, "WEBP", lossless=True, method=6, exact=True)
    return file.getvalue()


def with_body(splats, path):
    """Head's splats and after them the torso's; how many these are."""
    torso = torch.load(path, weights_only=True, map_location="cpu")["torso"]
    shown = torch.sigmoid(torso["opacity"]) >= LEAST_OPACITY
    joined = {name: torch.cat([value, torso[name][shown].float()]) for name, value in splats.items()}
    return joined, int(shown.sum())


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("person", type=Path)
    parser.add_argument("track", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--body-splats", type=Path)
    return parser.parse_args()


def main():
    args = options()
    person = torch.load(args.person, weights_only=True, map_location="cpu")
    splats, morphs = kept_splats(person)
    splats, body = with_body(splats, args.body_splats) if args.body_splats else (splats, 0)
    joints, weights = top4(splats["skin"])
    files = {"offset.ply": ply(columns(splats)), "skin.glb": skin_glb(splats["position"].numpy(), JOINTS, joints, weights, morphs),
             "animation.glb": animation_glb(JOINTS, clips(args.track)), "body.safetensors": body_file(person, args.target.stem, body),
             "body.webp": texture_file(person["texture"])}
    write_zip(args.target, files)
    size = args.target.stat().st_size
    print(f"{args.target}: {size} bytes, {len(splats['position']) - body} splats of the head, {body} of the body,",
          f"{sum(len(i) for i, _ in morphs.values())} deltas,", {name: len(content) for name, content in files.items()})
    if size > LIMIT:
        raise SystemExit(f"The archive has {size} bytes; {LIMIT} are the limit.")


if __name__ == "__main__":
    main()
