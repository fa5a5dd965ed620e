"""Fits the baked texture of an archive to the frames of training, through the fast path itself, and weighs its anchors by what the texture shows around them;
all else in the archive stays as it is.

python refit.py ict-facekit.npz expression-track.json ../../models/vitrail-person.zip work/refitted.zip --work work

The frames are drawn anew (a minute on a GPU) and kept in --work; a run that was cut goes on where it was. Where there is no Pillow, work/refitted.pt is left: the same
command with --pack, which needs nothing else, writes the archive from it elsewhere. work/refit.json has the PSNR of the torso on the frames held out, where the head
leaves it free: through the networks, by the bake, and by what the archive gets.
"""

import argparse
import importlib.util
import json
from pathlib import Path

import torch

from archive import read_safetensors, read_zip, safetensors, write_zip
from body_fixture import read_body
from fast_path import canonical_texture, fitted, layer_of_texture, torso_psnr
from geometry import JOINTS
from subject import Subject
from train import Scene, load_frames


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("mesh")
    parser.add_argument("track")
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--work", type=Path, default=Path("work"))
    parser.add_argument("--pack", action="store_true", help="only write the archive from work/refitted.pt")
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--anchors", type=int, default=512)
    # As in the training of the archive.
    parser.add_argument("--frames", type=int, default=420)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--over", type=int, default=3)
    parser.add_argument("--strands", type=int, default=9000)
    parser.add_argument("--occlusion", type=int, default=128)
    return parser.parse_args()


def anchors_of(tensors, device):
    """Anchors as training has them, with dense skin weights."""
    skin = torch.zeros(len(tensors["anchors.positions"]), len(JOINTS), dtype=torch.float64)
    skin.scatter_add_(1, tensors["anchors.joints"].long(), tensors["anchors.weights"])
    return {"position": tensors["anchors.positions"].float().to(device), "skin": skin.float().to(device)}, tensors["anchors.targets"].float().to(device)


def refit(args):
    """Leaves the texture in bytes and the numbers of the anchors in work/refitted.pt, and the figures in work/refit.json."""
    args.work.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with torch.no_grad():
        subject = Subject(args.mesh, device, args.strands, args.occlusion)
        scene = Scene(subject, load_frames(subject, args, args.work, keep=True), args.size)
    body, tensors = read_body(args.source)
    body = body.float().to(device)
    anchors, targets = anchors_of(tensors, device)
    before = canonical_texture(scene, body)
    chosen, texture = fitted(scene, body, anchors, targets, before, args.steps, args.anchors, args.work)
    texture = (texture * 255).round().byte()
    torch.save({"texture": texture.cpu(), "chosen": chosen.cpu()}, args.work / "refitted.pt")
    near = {name: value[chosen] for name, value in anchors.items()}, targets[chosen]
    psnr = lambda anchors, targets, texture: torso_psnr(scene, scene.test, layer_of_texture(scene, body, anchors, targets, texture))
    figures = {"networks": torso_psnr(scene, scene.test, lambda i: body(scene.grid(), scene.condition(body, i))[:2]), "texture before": psnr(anchors, targets, before),
               "anchors weighed": psnr(*near, before), "texture after": psnr(*near, texture.float() / 255)}
    figures = {name: round(value, 2) for name, value in figures.items()}
    figures |= {"steps": args.steps, "anchors": len(chosen), "train frames": len(scene.train), "test frames": len(scene.test)}
    (args.work / "refit.json").write_text(json.dumps(figures))
    print(json.dumps(figures), flush=True)


def pack(args):
    """The archive with its new texture and anchors."""
    from export import texture_file

    found = torch.load(args.work / "refitted.pt", weights_only=True)
    files, rows = read_zip(args.source), found["chosen"].numpy()
    files["body.webp"] = texture_file(found["texture"])
    texts, arrays = read_safetensors(files["body.safetensors"])
    files["body.safetensors"] = safetensors({name: value[rows] if name.startswith("anchors.") else value for name, value in arrays.items()}, texts)
    write_zip(args.target, files)
    print(f"{args.target}: {args.target.stat().st_size} bytes")


def main():
    args = options()
    if not args.pack:
        refit(args)
    if args.pack or importlib.util.find_spec("PIL"):
        pack(args)


if __name__ == "__main__":
    main()
