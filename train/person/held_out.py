"""Draws frames that no training sees, for the runtime's tests: what a frame shows of the torso, and its pose.

python held_out.py ict-facekit.npz expression-track.json ../../e2e/fixtures/avatars/held-out [--every 7]

Minutes a frame on a CPU: PyTorch, NumPy, Pillow. `frames.json` has the poses; a picture is the frame over white, opaque where the torso is and the head is not: the
pixels that count.
"""

import argparse
import json
from pathlib import Path

import torch
from PIL import Image

from export import quaternion
from frames import poses
from geometry import CAMERA, JOINTS
from shade import render
from subject import Subject
from train import held_frames


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("mesh", type=Path)
    parser.add_argument("track", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--frames", type=int, default=420)
    parser.add_argument("--every", type=int, default=1, help="of the frames held out")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--over", type=int, default=3)
    parser.add_argument("--strands", type=int, default=9000)
    parser.add_argument("--occlusion", type=int, default=128)
    return parser.parse_args()


def torso_picture(rgb, head, body):
    """Bytes [h, w, 4]."""
    white = rgb + (1 - head - body)[..., None]
    counts = ((body > 0.5) & (head == 0)).float()[..., None]
    return (torch.cat([white * counts, counts], 2).clamp(0, 1) * 255).round().byte().numpy()


def pose_of(number, weights, turns, shift, names):
    shown = {name: round(value, 6) for name, value in zip(names, weights.tolist()) if value > 0}
    rotations = {name: [round(v, 8) for v in row] for (name, _, _), row in zip(JOINTS, quaternion(turns).tolist())}
    return {"frame": number, "expression": shown, "rotations": rotations, "shift": [round(v, 8) for v in shift.tolist()]}


@torch.no_grad()
def main():
    args = options()
    args.target.mkdir(parents=True, exist_ok=True)
    subject = Subject(args.mesh, torch.device("cpu"), args.strands, args.occlusion)
    weights, turns, shift = poses(subject, args.track, args.frames)
    held = held_frames(turns, args.frames)[:: args.every]
    kept = []
    for i in held:
        rgb, head, body, _, _ = render(subject, CAMERA, weights[i], turns[i], shift[i], args.size, args.over)
        Image.fromarray(torso_picture(rgb, head, body), "RGBA").save(args.target / f"{i}.webp", "WEBP", lossless=True, method=6, exact=True)
        kept.append(pose_of(i, weights[i], turns[i], shift[i], subject.morph_names))
        (args.target / "frames.json").write_text(json.dumps({"camera": CAMERA, "size": args.size, "frames": kept}, separators=(",", ":")) + "\n")
        print(i, flush=True)


if __name__ == "__main__":
    main()
