"""Trains A-YOLOM on drawn scenes and labelled frames; stops after some minutes and goes on from there.

    python train.py OUT --frames work/frames.npz --steps 5000 --minutes 9

OUT gets log.csv, state.json and one file each for weights, their average and the optimizer's two moments, none above 15 MB for
the n model. The same command again goes on where the last one stopped. `--steps` fixes the learning rate's schedule, so keep it.
"""

import argparse
import csv
import json
import math
import time
from dataclasses import fields
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from augment import augmented
from frames import Frames
from losses import detection_loss, mask_loss
from model import build
from scenes import Batch, Painter

PEAK_RATE, FINAL_SHARE, WARM_UP_STEPS = 2e-3, 0.01, 300
WEIGHT_DECAY = 0.01
AVERAGE_DECAY = 0.9995
REAL_SHARE = 0.2
# Drawing costs some 20,000 kernel launches, whatever the number of scenes: so many batches are drawn at once.
BATCHES_A_DRAWING = 4
# A drawn scene is seen again: from another crop, mirrored or not, in another light.
USES_OF_A_SCENE = 4
SCENE_ZOOM = (0.4, 1.25)
LOG_EVERY, SAVE_EVERY_SECONDS = 20, 90
PARTS = ("model", "average", "first_moment", "second_moment")


def rate(step: int, progress: float) -> float:
    warm = min(1.0, (step + 1) / WARM_UP_STEPS)
    cosine = 0.5 + 0.5 * math.cos(math.pi * min(1.0, progress))
    return PEAK_RATE * warm * (FINAL_SHARE + (1 - FINAL_SHARE) * cosine)


class Training:
    """A model with its optimizer, its running average, and the place in its schedule."""

    def __init__(self, name: str, device: torch.device):
        torch.manual_seed(5)
        self.name, self.device, self.step = name, device, 0
        self.model = build(name).to(device).to(memory_format=torch.channels_last)
        # The gates of adaptive concatenation are hard: no gradient reaches them.
        self.learned = {
            key: value
            for key, value in self.model.named_parameters()
            if value.requires_grad and not key.endswith(".gate")
        }
        decayed = [value for value in self.learned.values() if value.ndim > 1]
        plain = [value for value in self.learned.values() if value.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": plain, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=PEAK_RATE, betas=(0.9, 0.99), fused=device.type == "cuda")
        self.average = {key: value.detach().clone() for key, value in self.model.state_dict().items()}

    def update(self, batch: Batch, progress: float) -> list[torch.Tensor]:
        """One step; `progress` is the share of the schedule that lies behind."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate(self.step, progress)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            maps, drivable, lanes = self.model(batch.image.contiguous(memory_format=torch.channels_last))
        parts = [
            *detection_loss(maps, batch.boxes, batch.valid),
            *mask_loss(drivable, batch.drivable),
            *mask_loss(lanes, batch.lanes),
        ]
        self.optimizer.zero_grad(set_to_none=True)
        torch.stack(parts).sum().backward()
        torch.nn.utils.clip_grad_norm_(self.learned.values(), 10.0)
        self.optimizer.step()
        self.step += 1
        self._follow()
        return parts

    @torch.no_grad()
    def _follow(self) -> None:
        # Early averages would remember the random start: the window grows with the steps.
        decay = AVERAGE_DECAY * (1 - math.exp(-self.step / 1000))
        now = self.model.state_dict()
        moving = [key for key, value in now.items() if value.is_floating_point()]
        torch._foreach_lerp_([self.average[key] for key in moving], [now[key] for key in moving], 1 - decay)
        for key in now.keys() - set(moving):
            self.average[key].copy_(now[key])

    def save(self, folder: Path) -> None:
        """Writes beside, then renames: a run that is cut while saving leaves the last save whole."""
        moments = {key: self.optimizer.state[value] for key, value in self.learned.items()}
        parts = {
            "model": self.model.state_dict(),
            "average": self.average,
            # Moments are means of many steps: 16 bits do, and keep the folder at 45 MB.
            "first_moment": {key: state["exp_avg"].bfloat16() for key, state in moments.items()},
            "second_moment": {key: state["exp_avg_sq"].bfloat16() for key, state in moments.items()},
        }
        for part, tensors in parts.items():
            plain = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
            save_file(plain, folder / f"{part}.new")
        (folder / "state.new").write_text(json.dumps({"name": self.name, "step": self.step}))
        for part in PARTS:
            (folder / f"{part}.new").replace(folder / f"{part}.safetensors")
        (folder / "state.new").replace(folder / "state.json")

    def resume(self, folder: Path) -> None:
        state = json.loads((folder / "state.json").read_text())
        if state["name"] != self.name:
            raise SystemExit(f"{folder} holds A-YOLOM {state['name']}, not {self.name}: choose another folder.")
        parts = {part: load_file(folder / f"{part}.safetensors", device=str(self.device)) for part in PARTS}
        self.model.load_state_dict(parts["model"])
        self.average = parts["average"]
        for key, value in self.learned.items():
            self.optimizer.state[value] = {
                # A fused optimizer counts on the device.
                "step": torch.tensor(float(state["step"]), device=value.device if value.is_cuda else "cpu"),
                "exp_avg": torch.empty_like(value).copy_(parts["first_moment"][key]),
                "exp_avg_sq": torch.empty_like(value).copy_(parts["second_moment"][key]),
            }
        self.step = state["step"]

    def begin_with(self, weights: Path) -> None:
        self.model.load_state_dict(load_file(weights, device=str(self.device)))
        self.average = {key: value.detach().clone() for key, value in self.model.state_dict().items()}


class Source:
    """Drawn scenes, and frames among them where there are any."""

    def __init__(self, frames: Path | None, size: tuple[int, int], device: torch.device, seed: int):
        self.painter = Painter(*size, device, seed)
        self.frames = Frames(frames, *size, device, seed + 1) if frames else None
        self.drawn: list[Batch] = []
        self.random = torch.Generator(device).manual_seed(seed + 2)

    def draw(self, count: int) -> Batch:
        real = round(count * REAL_SHARE) if self.frames else 0
        drawn = self._scenes(count - real)
        if not self.frames or real == 0:
            return drawn
        taken = self.frames.draw(real)
        room = max(drawn.boxes.shape[1], taken.boxes.shape[1])

        def widened(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
            more = room - batch.boxes.shape[1]
            return F.pad(batch.boxes, (0, 0, 0, more)), F.pad(batch.valid, (0, more))

        (boxes_a, valid_a), (boxes_b, valid_b) = widened(drawn), widened(taken)
        return Batch(
            torch.cat((drawn.image, taken.image)),
            torch.cat((drawn.drivable, taken.drivable)),
            torch.cat((drawn.lanes, taken.lanes)),
            torch.cat((boxes_a, boxes_b)),
            torch.cat((valid_a, valid_b)),
        )

    def _scenes(self, count: int) -> Batch:
        if not self.drawn:
            many = self.painter.draw(count * BATCHES_A_DRAWING)
            parts = [getattr(many, field.name).split(count) for field in fields(Batch)]
            self.drawn = [Batch(*tensors) for tensors in zip(*parts, strict=True)] * USES_OF_A_SCENE
        return augmented(self.drawn.pop(), self.painter.height, self.painter.width, SCENE_ZOOM, self.random)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--name", default="n", choices=["n", "s", "tiny"])
    parser.add_argument("--frames", type=Path, help="what prepare.py wrote; left out: drawn scenes alone")
    parser.add_argument("--start", type=Path, help="weights of an earlier training to begin with: its average.safetensors")
    parser.add_argument("--steps", type=int, default=5_000)
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--fit", action="store_true", help="the schedule ends with --minutes: for a run in one piece")
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--size", type=int, nargs=2, default=(384, 672), metavar=("HEIGHT", "WIDTH"))
    args = parser.parse_args()
    started = time.monotonic()
    args.output.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    training = Training(args.name, device)
    if (args.output / "state.json").exists():
        training.resume(args.output)
    elif args.start:
        training.begin_with(args.start)
    first = training.step
    # Other scenes after a pause than before it.
    source = Source(args.frames, tuple(args.size), device, 1000 + first)
    saved = time.monotonic()
    with (args.output / "log.csv").open("a", newline="") as file:
        log = csv.writer(file)
        if first == 0:
            log.writerow(["step", "box", "class", "dfl", "drivable_tversky", "drivable_focal", "lane_tversky", "lane_focal", "seconds"])
        recent: list[torch.Tensor] = []
        while training.step < args.steps and time.monotonic() - started < args.minutes * 60:
            progress = training.step / args.steps
            if args.fit:
                progress = max(progress, (time.monotonic() - started) / (args.minutes * 60))
            recent.append(torch.stack(training.update(source.draw(args.batch), progress)).detach())
            if training.step % LOG_EVERY == 0:
                row = torch.stack(recent).mean(0).tolist()
                recent.clear()
                if not all(map(math.isfinite, row)):
                    raise SystemExit(f"Step {training.step}: the loss is not finite; the last save is still good.")
                log.writerow([training.step, *(f"{value:.4f}" for value in row), f"{time.monotonic() - started:.0f}"])
                file.flush()
                print(training.step, " ".join(f"{value:.3f}" for value in row), flush=True)
            if time.monotonic() - saved > SAVE_EVERY_SECONDS:
                training.save(args.output)
                saved = time.monotonic()
    training.save(args.output)
    print(f"steps {first} to {training.step} of {args.steps} in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
