"""Tunes a GGUF file of a llama for narrow caches (MatryoshkaKV, arXiv 2410.14731): bases of keys and values, and the weights with them.

    python train.py MODEL.gguf DATA.npz OUT --seconds 130 --settle-seconds 200 --search-seconds 45
    python train.py MODEL.gguf DATA.npz OUT --start EARLIER --total-seconds 530
    python train.py MODEL.gguf DATA.npz OUT --start TUNED.gguf --start-share 0.7 --total-seconds 370

DATA is from prepare.py. OUT gets tensors.npz and widths.npz (for export.py), evaluation.json, logs and states: started again on the same OUT,
it goes on where it was cut. Every stage ends with what it found on disk. A GPU makes it quick; a CPU does for a look.

Stages: schooling at whole width, by the text alone (`--school-seconds`); text that the model speaks; principal components; tuning at random widths; the
search for widths; tuning at those widths; what it all costs.
With bases and widths to start with, an earlier run's, the three before the last tuning are left out. Where DATA has text of the kinds that the model
knew before, it is `--known-share` of each step, and the divergence from the model as it was is of that part alone.
"""

import argparse
import csv
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from basis import EIGHTHS, Bases, in_values_of, of_file, principal_components, random_widths
from budgets import BUDGETS, percent
from evaluate import measure
from llama import Llama, is_narrowing
from loss import Part, loss, part
from rounding import unpacked
from search import Search
from speak import spoken
from student import Student

WARM_UP_STEPS = 100
SETTLED = [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.375, 0.375, 0.375, 0.75, 0.25]
"""Budgets that those of a step's rows are drawn from once their widths are known. Whole rows keep the model what it is without a budget."""
FAR_EVERY = 4
"""Steps: one of so many is on windows for far keys, where there are such."""
FORMS = ("compiled", "graph", "eager")
"""Of steps: one CUDA graph of compiled layers; of PyTorch's own kernels; none."""
SAVE_SECONDS = 100
OPENING = 32
"""Tokens of a known text that the model goes on from by itself."""
CHECKED_EVERY = 250
"""Steps: so runs can be compared step by step."""
SCHOOL_RATE = 3
"""Of the rates of later stages: there is more to learn than to be narrow."""


@dataclass(frozen=True)
class Options:
    rows: int
    length: int
    known_rows: int = 0
    """Of these, where there is such text."""


class Windows:
    """Windows of a token stream from random places, at random positions of the model's context. Rows of tokens are windows as they are.

    With rows `known`, of text of the kinds that the model knew before, the first windows are of those.
    """

    def __init__(self, tokens: np.ndarray, context: int, options: Options, device: torch.device, known: np.ndarray | None = None) -> None:
        self.tokens = torch.from_numpy(tokens.astype(np.int32)).to(device)
        self.known = None if known is None else torch.from_numpy(known.astype(np.int32)).to(device)
        self.room, self.options = context - options.length, options
        self.ends = len(tokens) if tokens.ndim == 2 else len(tokens) - options.length - 1
        self.generator = torch.Generator(device).manual_seed(1)

    def next(self) -> tuple[Tensor, Tensor]:
        """([rows, length + 1] tokens, [rows] positions of their first). Keys turn with their position, so a basis must see them all."""
        length, device = self.options.length, self.tokens.device
        draw = lambda end: torch.randint(end, (self.options.rows,), generator=self.generator, device=device)  # noqa: E731
        starts = draw(self.ends)
        if self.known is not None:
            count = self.options.known_rows
            return torch.cat([self.known[draw(len(self.known))[:count]], self.tokens[starts[count:]]]).long(), draw(self.room + 1)
        if self.tokens.ndim == 2:
            return self.tokens[starts].long(), draw(self.room + 1)
        return self.tokens[starts[:, None] + torch.arange(length + 1, device=device)].long(), draw(self.room + 1)


@dataclass(frozen=True)
class Stage:
    """A part of the tuning. `widths` draws those of so many rows: [rows, layers, 2, kv_heads], in eighths."""

    name: str
    seconds: float
    """Of getting ready, too."""
    widths: Callable[[int, torch.Generator], Tensor] | None
    """None: whole."""
    checked: Tensor
    """Widths that its log tells of."""
    distilled: float
    """Share of the loss that is the divergence from the model as it was, whole; the rest is the next token's."""
    rate: float = 1
    """Of that of weights and bases."""
    stop: float = math.inf
    """Seconds after which it is cut, on its way through the schedule of all of them."""


def tune(teacher: Llama, student: Student, stage: Stage, windows: list[Windows], held_out: Tensor, out: Path, form: str) -> None:
    """Tunes until the model's outputs at the stage's widths are as near as they come to those of the whole model, and to the text.
    Steps are on the first of the windows, and now and then on the second. `form`: how steps are computed, one of FORMS."""
    state_path, log_path = out / f"{stage.name}.pt", out / f"log-{stage.name}.csv"
    step, spent = 0, 0.0
    if state_path.exists():
        state = torch.load(state_path, map_location=teacher.device, weights_only=True)
        student.load(state)
        windows[0].generator.set_state(state["generator"].cpu())
        step, spent = state["step"], state["seconds"]
        if spent >= stage.seconds:
            return
    else:
        log_path.write_text("step,seconds,loss,divergence,next_token,held_out_nats_whole,held_out_nats_at_half\n", encoding="utf-8")
    began = time.monotonic() - spent
    model, of_part = (teacher.compiled(), torch.compile(part, dynamic=False)) if form == "compiled" else (teacher, part)
    near, *far = [Gradients(model, student, own, stage, of_part, form != "eager") for own in windows]
    # The schedule begins when all is ready, or goes on.
    ready = time.monotonic() - began if step == 0 else 0.0
    print(stage.name, f"ready after {ready:.1f} s", flush=True)
    saved = spent
    recent: list[Tensor] = []
    while (spent := time.monotonic() - began) < min(stage.seconds, stage.stop):
        step += 1
        turned = student.bases()
        gradients = far[0] if far and step % FAR_EVERY == 0 else near
        losses, by_keys, by_mean, *by_copies = gradients.of_step(turned)
        torch.autograd.backward([turned.keys, turned.mean], [by_keys, by_mean])
        done = (spent - ready) / (stage.seconds - ready)
        student.step(by_copies, stage.rate * min(1.0, step / WARM_UP_STEPS) * 0.5 * (1 + math.cos(math.pi * done)))
        recent.append(losses.clone())
        if teacher.device.type == "cuda" and step % 4 == 0:
            # The clock is the schedule: it must not run ahead of the device.
            torch.cuda.synchronize()
        if step % CHECKED_EVERY == 0 or step == 1:
            figures = [*torch.stack(recent).mean(0).tolist(), *_held_out(teacher, student, stage.checked, held_out)]
            recent.clear()
            row = [step, f"{spent:.1f}", *(f"{figure:.4f}" for figure in figures)]
            with log_path.open("a", encoding="utf-8") as log:
                csv.writer(log, lineterminator="\n").writerow(row)
            print(stage.name, *row, flush=True)
        if spent - saved > SAVE_SECONDS:
            saved = spent
            _save(state_path, student, windows[0], step, spent)
    _save(state_path, student, windows[0], step, stage.seconds)


class Gradients:
    """Losses of a step and their gradients. One CUDA graph can compute all of it: thousands of small kernels a step."""

    def __init__(self, teacher: Llama, student: Student, windows: Windows, stage: Stage, of_part: Part, as_graph: bool) -> None:
        self.teacher, self.student, self.windows, self.stage, self.part = teacher, student, windows, stage, of_part
        bases = student.bases()
        self.keys = bases.keys.detach().clone().requires_grad_()
        self.mean = bases.mean.detach().clone().requires_grad_()
        self.drawn = self._draw()
        self.graph = self._captured() if as_graph else None

    def of_step(self, bases: Bases) -> list[Tensor]:
        """[loss, divergence, next token's nats], then gradients by the keys' bases, the mean, and each copy, for new windows and widths."""
        with torch.no_grad():
            self.keys.copy_(bases.keys)
            self.mean.copy_(bases.mean)
            before = self.drawn
            self.drawn = self._draw()
            for old, new in zip(before, self.drawn, strict=True):
                old.copy_(new)
            # The graph reads where it was captured.
            self.drawn = before
        if self.graph is None:
            return self._compute()
        self.graph.replay()
        return self.results

    def _draw(self) -> list[Tensor]:
        """Tokens, offsets and, if there are, widths."""
        windows, widths = self.windows, self.stage.widths
        return [*windows.next(), widths(windows.options.rows, windows.generator)] if widths else [*windows.next()]

    def _captured(self) -> torch.cuda.CUDAGraph:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self._compute()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.results = self._compute()
        return graph

    def _compute(self) -> list[Tensor]:
        student, (tokens, offsets, *widths) = self.student, self.drawn
        inputs, targets = tokens[:, :-1], tokens[:, 1:]
        student.round()
        model = self.teacher.with_weights(student.copies, student.shape)
        given = model.states(inputs, Bases(self.keys, self.mean).reductions(*widths) if widths else None, offsets)
        with torch.no_grad():
            kept = len(inputs) if self.windows.known is None else self.windows.options.known_rows
            wanted = self.teacher.states(inputs[:kept], offsets=offsets[:kept]) if self.stage.distilled else given[:0].detach()
        dtype = model.dtype
        # The teacher's own head: where the embedding is tuned the student's is another.
        heads = model.head.to(dtype), self.teacher.head.to(dtype)
        total, figures = loss(given.to(dtype), wanted.to(dtype), *heads, targets, self.stage.distilled, self.part)
        # Bases have no part in a model that is whole.
        gradients = torch.autograd.grad(total, [self.keys, self.mean, *student.copies.values()], allow_unused=True, materialize_grads=True)
        return [torch.cat([total[None], figures]).detach(), *gradients]


def _held_out(teacher: Llama, student: Student, widths: Tensor, rows: Tensor) -> list[float]:
    """Nats a token of the whole student, and at these widths."""
    model, bases = student.stored(teacher)
    return [_nats(model, reductions, rows) for reductions in (None, bases.reductions(widths))]


@torch.no_grad()
def _nats(model: Llama, reductions: list | None, rows: Tensor) -> float:
    logits = model.logits(model.states(rows[:, :-1], reductions))
    return F.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten()).item()


def _save(path: Path, student: Student, windows: Windows, step: int, seconds: float) -> None:
    whole = path.with_suffix(".new")
    torch.save({**student.state(), "step": step, "seconds": seconds, "generator": windows.generator.get_state()}, whole)
    whole.replace(path)
    np.savez(path.with_name("tensors.npz"), **student.tensors())


class Results:
    """evaluation.json and the arrays of an .npz file, rewritten with every thing that is found."""

    def __init__(self, out: Path) -> None:
        self.json_path, self.array_path = out / "evaluation.json", out / "widths.npz"
        self.figures: dict = json.loads(self.json_path.read_text()) if self.json_path.exists() else {}
        self.arrays: dict[str, np.ndarray] = dict(np.load(self.array_path)) if self.array_path.exists() else {}

    def keep(self, name: str, figures: dict) -> None:
        self.figures[name] = figures
        self.json_path.write_text(json.dumps(self.figures, indent=2) + "\n", encoding="utf-8")
        print(name, json.dumps(figures), flush=True)

    def keep_arrays(self, **arrays: Tensor) -> None:
        self.arrays |= {name: array.cpu().numpy() for name, array in arrays.items()}
        np.savez(self.array_path, **self.arrays)

    def tensor(self, name: str, device: torch.device) -> Tensor:
        return torch.from_numpy(self.arrays[name]).to(device)


class Recipe:
    """The stages, each of which does nothing where its result is on disk."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments, self.began = arguments, time.monotonic()
        arguments.out.mkdir(parents=True, exist_ok=True)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.data = dict(np.load(arguments.data))
        self.results = Results(arguments.out)
        # Measured in single precision: rounding to bf16 would hide what an eighth of one head does.
        self.exact = Llama(arguments.model, self.device, torch.float32)
        self.quick = self.exact.in_precision(torch.bfloat16) if self.device.type == "cuda" else self.exact
        self.say(f"loaded {self.exact.shape}")

    def say(self, what: str) -> None:
        print(f"== {time.monotonic() - self.began:.0f} s: {what}", flush=True)

    def windows(self, rows: int, length: int, name: str = "training") -> Windows:
        known = self.data.get("known") if name == "training" else None
        options = Options(rows, length, 0 if known is None else round(rows * self.arguments.known_share))
        return Windows(self.data[name], self.exact.shape.context, options, self.device, known)

    def school(self) -> Llama:
        """Teaches the whole model its text. Everything after begins with what it is then, as a file would hold it; returns it unrounded."""
        shape, seconds, compiles = self.exact.shape, self.arguments.school_seconds, self.arguments.form == "compiled"
        if seconds == 0:
            return self.exact
        vectors = torch.eye(shape.head_dim, device=self.device).repeat(shape.layers, 2, shape.kv_heads, 1, 1)
        none = torch.zeros(shape.layers, shape.kv_heads, shape.head_dim, device=self.device)
        student = Student(self.exact, vectors, none, self.arguments.rate, compiles)
        whole = torch.full(vectors.shape[:3], EIGHTHS, device=self.device)
        self.tuned(student, Stage("schooled", seconds, None, whole, 0, SCHOOL_RATE))
        learned = self.exact.with_weights({name: weight.detach() for name, weight in student.weights.items()})
        self.exact, _ = student.stored(self.exact)
        self.quick = self.exact.in_precision(self.quick.dtype)
        return learned

    def speak(self) -> None:
        """Adds what the model says to prompts to the text that it is tuned on; or how it goes on from known text, to that."""
        path, rows, known = self.arguments.out / "spoken.npy", self.arguments.spoken_rows, self.data.get("known")
        if rows == 0:
            return
        if not path.exists():
            if known is None:
                prompts, lengths, length = self.data["prompts"], self.data["prompt_lengths"], self.arguments.spoken_length
            else:
                prompts, length = known[: self.arguments.spoken_openings, :OPENING], known.shape[1]
                lengths = np.full(len(prompts), OPENING)
            asked, ends = (torch.from_numpy(array.astype(np.int64)).to(self.device) for array in (prompts, lengths))
            generator = torch.Generator(self.device).manual_seed(2)
            parts = [
                spoken(self.quick, own, own_ends, length, generator).cpu().numpy().astype(np.uint16)
                for own, own_ends in zip(asked.split(rows), ends.split(rows), strict=True)
            ]
            np.save(path, np.concatenate(parts))
            self.say("spoken")
        if known is None:
            self.data["training"] = np.concatenate([self.data["training"], *[np.load(path).flatten()] * self.arguments.spoken_times])
        else:
            self.data["known"] = np.concatenate([known, np.load(path)])

    def start(self) -> tuple[Tensor, Tensor]:
        """Principal components, and the mean of values."""
        if "start_vectors" not in self.results.arrays:
            windows = self.windows(self.arguments.rows, self.arguments.length)
            batches = ((tokens[:, :-1], offsets) for tokens, offsets in (windows.next() for _ in range(self.arguments.calibration_batches)))
            vectors, mean = principal_components(self.exact, batches)
            self.results.keep_arrays(start_vectors=vectors, start_mean=mean)
            self.say("principal components")
        return self.results.tensor("start_vectors", self.device), self.results.tensor("start_mean", self.device)

    def given(self) -> tuple[Llama, Tensor, Tensor]:
        """Weights, bases and the mean of values as an earlier run left them; its widths become this one's."""
        start, layers = self.arguments.start, range(self.exact.shape.layers)
        if start.suffix == ".gguf":
            tuned, share = Llama(start, self.device, torch.float32), self.arguments.start_share
            bases, found = of_file(start, tuned)
            own = self.exact.weights | in_values_of(tuned, self.exact)
            # Weights in between lose little of what either end has learned, and forget less (arXiv 2109.01903).
            model = self.exact.with_weights({name: torch.lerp(own[name], weight, share) for name, weight in tuned.weights.items()})
            self.results.keep_arrays(**{f"widths_{percent(budget)}": widths for budget, widths in found.items()})
            return model, torch.stack([bases.keys, torch.eye(bases.keys.shape[-1], device=self.device).expand_as(bases.keys)], 1), bases.mean
        if start.is_dir():
            widths, tensors = dict(np.load(start / "widths.npz")), dict(np.load(start / "tensors.npz"))
            weights = {name: torch.from_numpy(unpacked(array, self.exact.form)) if array.dtype == np.uint8 else torch.from_numpy(array)
                       for name, array in tensors.items() if not is_narrowing(name)}
            model = self.exact.with_weights({name: weight.to(self.device) for name, weight in weights.items()})
            keys, mean = (np.stack([tensors[f"blk.{layer}.{name}.weight"] for layer in layers]) for name in ("attn_k_basis", "attn_v_mean"))
            # Values are in their basis already.
            vectors = np.stack([keys, np.broadcast_to(np.eye(keys.shape[-1]), keys.shape)], 1)
        else:
            found = np.load(start)
            widths = {name.removeprefix("mkv_"): found[name] for name in found if "widths" in name}
            model, vectors, mean = self.exact, found["mkv_vectors"], found["mkv_mean"]
        names = [f"widths_{percent(budget)}" for budget in BUDGETS]
        self.results.keep_arrays(**{name: torch.from_numpy(widths[name].astype(np.int64)) for name in names})
        return model, *(torch.from_numpy(array).float().to(self.device) for array in (vectors, mean))

    def tuned(self, student: Student, stage: Stage) -> None:
        windows = [self.windows(self.arguments.rows, self.arguments.length)]
        if "far" in self.data:
            length = self.data["far"].shape[1] - 1
            windows.append(self.windows(max(1, self.arguments.rows * self.arguments.length // length), length, "far"))
        books = torch.from_numpy(self.data["books"][::10].astype(np.int64)).to(self.device)
        tune(self.quick, student, stage, windows, books, self.arguments.out, self.arguments.form)
        self.say(f"tuned: {stage.name}")

    def left(self) -> float:
        """Seconds of the last tuning, those before a cut among them."""
        arguments, state = self.arguments, self.arguments.out / "settled.pt"
        if not arguments.total_seconds:
            return arguments.settle_seconds
        spent = torch.load(state, map_location="cpu", mmap=True)["seconds"] if state.exists() else 0.0
        return spent + arguments.total_seconds - arguments.report_seconds - (time.monotonic() - self.began)

    def widths(self, name: str, model: Llama, bases: Bases, seconds: float) -> dict[float, Tensor]:
        if f"{name}_{percent(BUDGETS[-1])}" not in self.results.arrays:
            tokens = self.windows(self.arguments.search_rows, self.arguments.search_length).next()[0][:, :-1]
            with torch.no_grad():
                wanted = self.exact.logits(self.exact.states(tokens)).log_softmax(-1)
            found = Search(model, bases, tokens, wanted).run(BUDGETS, seconds)
            self.results.keep_arrays(**{f"{name}_{percent(budget)}": widths for budget, widths in found.items()})
            self.say(f"widths of {name}: {found[0.5].tolist()} at half")
        return {budget: self.results.tensor(f"{name}_{percent(budget)}", self.device) for budget in BUDGETS}

    def report(self, name: str, model: Llama, bases: Bases | None, widths: Tensor | None) -> None:
        if name not in self.results.figures:
            reductions = bases.reductions(widths) if bases is not None and widths is not None else None
            self.results.keep(name, measure(model, reductions, self.data, self.arguments.at_once))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ["model", "data", "out"]:
        parser.add_argument(name, type=Path)
    parser.add_argument("--school-seconds", type=float, default=0, help="of schooling at whole width before all that; 0: none")
    parser.add_argument("--seconds", type=float, default=130, help="of tuning at random widths")
    parser.add_argument("--settle-seconds", type=float, default=200, help="of tuning at the widths that were found")
    parser.add_argument("--search-seconds", type=float, default=45, help="of the search for widths; half of it for principal components")
    parser.add_argument("--distilled", type=float, default=0.5, help="share of the divergence from the model as it was in the loss")
    parser.add_argument("--known-share", type=float, default=0.5, help="of a step's windows: text of the kinds that the model knew before")
    parser.add_argument("--rows", type=int, default=32, help="windows a step, a multiple of 8")
    parser.add_argument("--length", type=int, default=1024, help="tokens of a window")
    parser.add_argument("--search-rows", type=int, default=8)
    parser.add_argument("--search-length", type=int, default=1024)
    parser.add_argument("--spoken-rows", type=int, default=4096, help="prompts answered at once; 0: none")
    parser.add_argument("--spoken-length", type=int, default=384)
    parser.add_argument("--spoken-openings", type=int, default=8192, help="of known text that it goes on from")
    parser.add_argument("--spoken-times", type=int, default=1, help="how often what it says counts in the text")
    parser.add_argument("--calibration-batches", type=int, default=8)
    parser.add_argument("--start", type=Path, help="an earlier run: its OUT, or bases and widths alone, or the file that was made of it")
    parser.add_argument("--start-share", type=float, default=1, help="of that file's weights; the rest is the model's as it was")
    parser.add_argument("--dense", action="store_true", help="begin with all heads on: a control for Mixture-of-Head")
    parser.add_argument("--stop-seconds", type=float, default=math.inf, help="of the last tuning, cut short")
    parser.add_argument("--rate", type=float, default=3e-4, help="of weights")
    parser.add_argument("--form", choices=FORMS, help="how steps are computed")
    parser.add_argument("--total-seconds", type=float, help="of everything: the last tuning takes what the rest leaves")
    parser.add_argument("--report-seconds", type=float, default=60, help="of the evaluation, of these")
    parser.add_argument("--no-report", action="store_true", help="leave the evaluation out")
    parser.add_argument("--at-once", type=int, default=65_536, help="tokens a batch while measuring")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    torch.set_float32_matmul_precision("high")
    recipe = Recipe(arguments)
    arguments.form = arguments.form or ("compiled" if recipe.device.type == "cuda" else "eager")
    before, learned = recipe.exact, recipe.school()
    exact = recipe.exact
    recipe.speak()
    begun, vectors, mean = recipe.given() if arguments.start else (learned, *recipe.start())
    if arguments.dense:
        begun = begun.dense(torch.from_numpy(recipe.data["known"][: arguments.search_rows, :-1].astype(np.int64)).to(recipe.device))
    student = Student(begun, vectors, mean, arguments.rate, arguments.form == "compiled")
    shape = student.bases.mean.shape[:1] + (2,) + student.bases.mean.shape[1:2]
    half = torch.full(shape, EIGHTHS // 2, device=recipe.device)

    if not arguments.start:
        random = Stage("nested", arguments.seconds, lambda rows, draws: random_widths(rows, shape, draws), half, arguments.distilled)
        recipe.tuned(student, random)
    found = recipe.widths("widths", *student.stored(exact), arguments.search_seconds)
    known = {1: torch.full_like(half, EIGHTHS), **found}
    each = torch.stack([known[budget] for budget in SETTLED])
    drawn = lambda rows, draws: each[torch.randint(len(each), (rows,), generator=draws, device=each.device)]  # noqa: E731
    recipe.tuned(student, Stage("settled", recipe.left(), drawn, found[0.5], arguments.distilled, stop=arguments.stop_seconds))
    if arguments.no_report:
        return
    model, bases = student.stored(exact)
    recipe.report("whole", model, None, None)
    in_order = sorted(BUDGETS, key=lambda budget: abs(budget - 0.5))
    for budget in in_order:
        recipe.report(f"mkv{percent(budget)}", model, bases, found[budget])
    recipe.report("before", before, None, None)
    if not arguments.start:
        plain = Student(exact, vectors, mean)
        components = plain.bases().stored()
        turned = exact.with_weights({name: weight.detach() for name, weight in plain.weights.items()})
        narrow = recipe.widths("components", turned, components, arguments.search_seconds / 2)
        for budget in in_order:
            recipe.report(f"pca{percent(budget)}", turned, components, narrow[budget])
    recipe.say("done")


if __name__ == "__main__":
    main()
