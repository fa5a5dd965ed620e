"""Measures an exported model: CamVid's test frames (never trained on), and pictures without labels against the teachers.

    python evaluate.py ../../models/a-yolom-n.safetensors DATA work/evaluation [--camvid 233] [--found found.json]

`--found`: what the library itself found in CamVid's frames (`detect.mjs`) is measured instead of PyTorch's answers, and nothing else.
Prints and writes evaluation.json: mIoU of road against the rest, AP at IoU 0.5 of cars on CamVid; on the BDD100K stills the
agreement with the teachers. Draws every still with its masks and boxes. Runs on a CPU in some minutes.
"""

import argparse
import base64
import json
import tarfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from safetensors import safe_open
from scipy import ndimage
from torch.nn import functional as F

from export import INPUT, load_folded
from model import CONFIGS, AYolom, anchors, decode, flatten
from teachers import TwinLiteNet, YoloxNano, iou, suppress

ROAD, CAR = 3, 8
SMALLEST_CAR = 150
"""Pixels below which a blob of CamVid's car class is a remnant that something hides, not a car to be found."""
SHOWN_SCORE = 0.25
LEAST_SCORE = 0.005

Found = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Boxes [B, 5] in pixels of the picture, best first, drivable and lane masks [H, W]."""


def load(path: Path) -> AYolom:
    with safe_open(path, "pt") as file:
        stages = tuple(int(width) for width in file.metadata()["stages"].split(","))
        weights = {name: file.get_tensor(name).float() for name in file.keys()}
    model = AYolom(next(config for config in CONFIGS.values() if config.stages == stages)).eval()
    load_folded(model, weights)
    return model


@torch.no_grad()
def detect(model: AYolom, picture: np.ndarray) -> Found:
    """Of a picture [H, W, 3] u8."""
    height, width = picture.shape[:2]
    scale = min(INPUT[0] / height, INPUT[1] / width)
    size = (round(height * scale), round(width * scale))
    top, left = (INPUT[0] - size[0]) // 2, (INPUT[1] - size[1]) // 2
    image = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255
    canvas = torch.full((1, 3, *INPUT), 114 / 255)
    canvas[..., top : top + size[0], left : left + size[1]] = F.interpolate(image, size, mode="bilinear", antialias=True)
    maps, *logits = model(canvas)
    points, strides = anchors(maps)
    bins, scores = flatten(maps)
    corners = (decode(bins, points) * strides[:, None])[0] - torch.tensor([left, top, left, top])
    boxes = torch.cat((corners / scale, scores.sigmoid()[0, :, None]), -1).numpy()
    boxes = suppress(boxes[boxes[:, 4] > LEAST_SCORE][:3000], 0.45)
    masks = [F.interpolate(one[..., top : top + size[0], left : left + size[1]], (height, width), mode="bilinear") for one in logits]
    return boxes, *[(one[0, 1] > one[0, 0]).numpy() for one in masks]


def read_found(answer: dict, picture: np.ndarray) -> Found:
    """The same of what `detect.mjs` wrote."""
    height, width = picture.shape[:2]
    masks = [np.frombuffer(base64.b64decode(answer[name]), np.uint8) for name in ("drivable", "lanes")]
    bits = [np.unpackbits(mask, count=height * width, bitorder="little").reshape(height, width) for mask in masks]
    return np.array(answer["boxes"], np.float32).reshape(-1, 5), bits[0] > 0, bits[1] > 0


def average_precision(found: list[tuple[float, bool]], total: int) -> float:
    """Area under the precision-recall curve with precision made monotone."""
    found = sorted(found, key=lambda one: -one[0])
    hits = np.cumsum([hit for _, hit in found])
    precision = hits / np.arange(1, len(found) + 1)
    recall = hits / max(total, 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(np.concatenate(([0.0], recall))) * precision))


def match(boxes: np.ndarray, truth: list[np.ndarray]) -> list[tuple[float, bool]]:
    free, found = list(truth), []
    for box in boxes:
        overlaps = [iou(box, other) for other in free]
        best = int(np.argmax(overlaps)) if overlaps else -1
        hit = best >= 0 and overlaps[best] >= 0.5
        if hit:
            free.pop(best)
        found.append((float(box[4]), hit))
    return found


def cars_of(labels: np.ndarray) -> list[np.ndarray]:
    blobs, _ = ndimage.label(labels == CAR)
    boxes = []
    for index, (rows, columns) in enumerate(ndimage.find_objects(blobs), 1):
        if (blobs[rows, columns] == index).sum() >= SMALLEST_CAR:
            boxes.append(np.array([columns.start, rows.start, columns.stop, rows.stop], np.float32))
    return boxes


def camvid(archive: Path) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """(name, picture, labels) of each test frame; pictures and labels have the same name in two folders."""
    pictures: dict[str, dict[bool, np.ndarray]] = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isfile() and member.name.endswith((".png", ".jpg")):
                image = Image.open(BytesIO(tar.extractfile(member).read()))
                is_label = member.name.startswith("labels/")
                array = np.asarray(image if is_label else image.convert("RGB"))
                pictures.setdefault(Path(member.name).stem, {})[is_label] = array
    return [(name, both[False], both[True]) for name, both in sorted(pictures.items())]


def on_camvid(find: Callable[[str, np.ndarray], Found], archive: Path, limit: int) -> dict[str, float]:
    frames = camvid(archive)
    frames = frames[:: max(1, len(frames) // limit)]
    confusion = np.zeros((2, 2))
    found: list[tuple[float, bool]] = []
    total = 0
    for name, picture, labels in frames:
        boxes, drivable, _ = find(name, picture)
        known = labels != 11
        for truth in (0, 1):
            for guess in (0, 1):
                confusion[truth, guess] += ((labels == ROAD) == truth)[known & (drivable == guess)].sum()
        cars = cars_of(labels)
        total += len(cars)
        found += match(boxes, cars)
    ious = [confusion[i, i] / (confusion[i].sum() + confusion[:, i].sum() - confusion[i, i]) for i in (0, 1)]
    return {
        "frames": len(frames),
        "cars": total,
        "road_iou": float(ious[1]),
        "drivable_miou": float(np.mean(ious)),
        "car_ap50": average_precision(found, total),
    }


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / max(1, (a | b).sum()))


def on_stills(model: AYolom, data: Path, output: Path) -> dict[str, float]:
    masks_teacher = TwinLiteNet.load(data / "weights/twinlitenet.safetensors")
    box_teacher = YoloxNano(data / "weights/yolox_nano.onnx")
    drivable_ious, lane_ious, found, total = [], [], [], 0
    for path in sorted((data / "driving").glob("*-*.jpg")):
        picture = np.asarray(Image.open(path).convert("RGB"))
        boxes, drivable, lanes = detect(model, picture)
        tensor = torch.from_numpy(picture.copy()).permute(2, 0, 1).float() / 255
        true_drivable, true_lanes = (mask.numpy() for mask in masks_teacher.masks(tensor))
        drivable_ious.append(overlap(drivable, true_drivable))
        lane_ious.append(overlap(lanes, true_lanes))
        truth = list(box_teacher.vehicles(tensor, 0.35)[:, :4])
        total += len(truth)
        found += match(boxes, truth)
        tinted = picture.astype(np.float32)
        tinted[drivable] = tinted[drivable] * 0.6 + np.array([0, 90, 0])
        tinted[lanes] = (255, 40, 40)
        image = Image.fromarray(tinted.clip(0, 255).astype(np.uint8))
        pen = ImageDraw.Draw(image)
        for box in boxes[boxes[:, 4] > SHOWN_SCORE]:
            pen.rectangle([float(side) for side in box[:4]], outline=(0, 220, 255), width=3)
        image.save(output / f"{path.stem}.jpg")
    return {
        "stills": len(drivable_ious),
        "drivable_iou_with_teacher": float(np.mean(drivable_ious)),
        "lane_iou_with_teacher": float(np.mean(lane_ious)),
        "vehicle_ap50_with_teacher": average_precision(found, total),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--camvid", type=int, default=233, help="how many of the test frames, evenly spread")
    parser.add_argument("--found", type=Path, help="what detect.mjs wrote")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    archive = args.data / "driving/camvid-test.tar"
    if args.found:
        written = json.loads(args.found.read_text())
        camvid_result = on_camvid(lambda name, picture: read_found(written["found"][name], picture), archive, args.camvid)
        result = {"adapter": written["adapter"], "camvid": camvid_result}
    else:
        model = load(args.model)
        camvid_result = on_camvid(lambda _, picture: detect(model, picture), archive, args.camvid)
        result = {"camvid": camvid_result, "stills": on_stills(model, args.data, args.output)}
    (args.output / "evaluation.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
