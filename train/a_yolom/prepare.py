"""Labels the real frames of a drive with the teachers and packs them for training.

    python prepare.py DATA work/frames.npz

DATA holds driving/solidWhiteRight.mp4, the two Udacity stills and weights/{twinlitenet.safetensors,yolox_nano.onnx}.
Only this step needs video, image and ONNX libraries; what it writes is plain arrays:
images [F, 378, 672, 3] u8, masks [F, 378, 672] u8 (bit 0 drivable, bit 1 lane), boxes [F, 32, 4] f32 corners (unused: 0).
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import torch
from PIL import Image

from teachers import TwinLiteNet, YoloxNano, suppress

WIDTH, HEIGHT = 672, 378
MAX_BOXES = 32
EVERY = 5
"""Frames of a video that stand a few metres apart differ little: one in five is kept."""
MIN_SCORE = 0.35


def pictures(folder: Path) -> Iterator[Image.Image]:
    with av.open(str(folder / "solidWhiteRight.mp4")) as video:
        for index, frame in enumerate(video.decode(video=0)):
            if index % EVERY == 0:
                yield frame.to_image()
    for name in ("solidYellowCurve.jpg", "whiteCarLaneSwitch.jpg"):
        yield Image.open(folder / name).convert("RGB")


def vehicles(teacher: YoloxNano, image: torch.Tensor) -> np.ndarray:
    """Boxes [B, 4] of the whole frame and of two closer looks at the horizon, where cars are small for the teacher."""
    found = [teacher.vehicles(image, MIN_SCORE)]
    side = HEIGHT // 2 + 40
    for left in (WIDTH // 2 - side, WIDTH // 2):
        top = HEIGHT // 2 - side // 2 + 20
        near = teacher.vehicles(image[:, top : top + side, left : left + side], MIN_SCORE)
        # A box that the crop cuts is no box of the whole vehicle.
        whole = (near[:, :4] > 2).all(1) & (near[:, 2:4] < side - 2).all(1)
        found.append(near[whole] + np.array([left, top, left, top, 0], np.float32))
    return suppress(np.concatenate(found), 0.4)[:, :4]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    args = parser.parse_args()
    masks_teacher = TwinLiteNet.load(args.data / "weights/twinlitenet.safetensors")
    box_teacher = YoloxNano(args.data / "weights/yolox_nano.onnx")
    images, masks, boxes = [], [], []
    for picture in pictures(args.data / "driving"):
        small = np.asarray(picture.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS))
        tensor = torch.from_numpy(small.copy()).permute(2, 0, 1).float() / 255
        drivable, lanes = masks_teacher.masks(tensor)
        found = vehicles(box_teacher, tensor)[:MAX_BOXES]
        images.append(small)
        masks.append((drivable.byte() | (lanes.byte() << 1)).numpy())
        boxes.append(np.pad(found, ((0, MAX_BOXES - len(found)), (0, 0))).astype(np.float32))
    args.output.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(args.output, images=np.stack(images), masks=np.stack(masks), boxes=np.stack(boxes))
    count = sum(int((one[:, 2] > 0).sum()) for one in boxes)
    print(f"{len(images)} frames, {count} vehicles, {args.output.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
