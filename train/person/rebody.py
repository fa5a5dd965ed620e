"""Trains the body of an archive anew, networks, maps, anchors and texture; the head and all else in the archive stay as they are.

python rebody.py ict-facekit.npz expression-track.json work                         # PyTorch and NumPy; goes on where it was cut
python rebody.py --pack ../../models/vitrail-person.zip work/new.zip work           # writes the archive from work/body.pt; Pillow

The frames are drawn anew (a minute on a GPU) and kept in the folder. work/figures.json has PSNR and detail of the torso on the frames held out, for networks, fast
path and splats alone; work/torso.png the frame held out whose chest turns most: truth and networks, fast path and splats alone.
"""

import argparse
import json
import time
from pathlib import Path

import torch

from archive import read_safetensors, read_zip, write_zip
from measure import SHOWN, compared, held_layers, torso_figures
from png import write_png
from subject import Subject
from torso import train_body
from train import Clock, Scene, body_options, cpu, load_frames, new_body, packed_body, seed_splats, to, train_baseline


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("mesh", type=Path)
    parser.add_argument("track", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--pack", action="store_true", help="only write the archive TRACK from the archive MESH and WORK/body.pt")
    parser.add_argument("--frames", type=int, default=420)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--over", type=int, default=3)
    parser.add_argument("--strands", type=int, default=9000)
    parser.add_argument("--occlusion", type=int, default=128)
    parser.add_argument("--body-splats", type=int, default=12000, help="of the baseline of splats alone; 0: none")
    parser.add_argument("--baseline-steps", type=int, default=2500)
    parser.add_argument("--baseline-seconds", type=float, default=110)
    body_options(parser)
    return parser.parse_args()


def baseline(scene, subject, args):
    """Splats alone on the torso."""
    file = args.work / "splats-alone.pt"
    with torch.no_grad():
        torso = seed_splats(subject, scene.data["shown"], scene.data["tints"], args.body_splats, True, torch.Generator().manual_seed(7))
    state = {"torso": torso, "torso_step": 0, "torso_seconds": 0.0, "torso_done": False}
    if file.exists():
        kept = to(torch.load(file, weights_only=True), scene.device)
        state |= kept | {"torso": kept["torso"] | {"morphs": torso["morphs"]}}
    save = lambda s: torch.save(cpu(s | {"torso": {k: v for k, v in s["torso"].items() if k != "morphs"}}), file)
    if not state["torso_done"]:
        train_baseline(scene, state, args, Clock(60), save)
    return state


def train(args):
    began = time.time()
    torch.manual_seed(1)
    args.work.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    told = lambda what: print(f"{time.time() - began:.0f} s: {what}", flush=True)
    with torch.no_grad():
        subject = Subject(args.mesh, device, args.strands, args.occlusion)
        scene = Scene(subject, load_frames(subject, args, args.work, keep=True), args.size)
    told("frames")
    body = new_body(args.size, device)
    path, texture = train_body(scene, subject, body, args, args.work)
    told("body")
    torch.save(packed_body(body, path, texture), args.work / "body.pt")
    report(scene, body, path, texture, None, args)
    if args.body_splats:
        state = baseline(scene, subject, args)
        told("splats alone")
        report(scene, body, path, texture, state, args)


def report(scene, body, path, texture, state, args):
    texture = (texture * 255).round() / 255
    layers = held_layers(scene, body, path, texture, state and state["torso"])
    figures = {"torso": torso_figures(scene, layers, scene.test), "test frames": len(scene.test), "train frames": len(scene.train), "anchors": len(path.targets)}
    figures |= {"splats alone": {"splats": args.body_splats, "steps": state["torso_step"], "seconds": round(state["torso_seconds"])}} if state else {}
    (args.work / "figures.json").write_text(json.dumps(figures, indent=1))
    print(json.dumps(figures), flush=True)
    write_png(args.work / "torso.png", compared(scene, layers, scene.test, SHOWN))


def pack(source, target, folder):
    from export import body_file, texture_file

    kept = torch.load(folder / "body.pt", weights_only=True, map_location="cpu")
    files = read_zip(source)
    files["body.safetensors"] = body_file(kept, *read_texts(files["body.safetensors"]))
    files["body.webp"] = texture_file(kept["texture"])
    write_zip(target, files)
    print(f"{target}: {target.stat().st_size} bytes,", {name: len(content) for name, content in files.items()})


def read_texts(content):
    """Name and number of splats of the body that is there."""
    texts, _ = read_safetensors(content)
    return texts["name"], int(texts.get("bodySplats", "0"))


def main():
    args = options()
    if args.pack:
        pack(args.mesh, args.track, args.work)
    else:
        train(args)


if __name__ == "__main__":
    main()
