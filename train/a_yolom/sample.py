"""What PyTorch finds in a drawn picture of a road: the answers that the page's tests compare with.

    python sample.py ../../models/a-yolom-n.safetensors ../../e2e/fixtures/vision/sample-road.jpg ../../e2e/fixtures/vision/sample-road.json

Boxes as x, y, width, height, score; masks as lengths of runs, beginning with what is not in the mask, row after row.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image

from evaluate import SHOWN_SCORE, detect, load


def runs(mask: np.ndarray) -> list[int]:
    flat = np.concatenate(([False], mask.reshape(-1), [not mask.reshape(-1)[-1]]))
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    return np.diff(np.concatenate(([0], edges))).tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ["model", "picture", "output"]:
        parser.add_argument(name, type=Path)
    args = parser.parse_args()
    picture = np.asarray(Image.open(args.picture).convert("RGB"))
    boxes, drivable, lanes = detect(load(args.model), picture, SHOWN_SCORE)
    corners = [[float(value) for value in box] for box in boxes]
    answers = {
        "width": picture.shape[1],
        "height": picture.shape[0],
        "boxes": [[round(v, 3) for v in (x0, y0, x1 - x0, y1 - y0, score)] for x0, y0, x1, y1, score in corners],
        "drivable": runs(drivable),
        "lanes": runs(lanes),
    }
    args.output.write_text(json.dumps(answers) + "\n")
    print(answers["boxes"], drivable.mean(), lanes.mean())


if __name__ == "__main__":
    main()
