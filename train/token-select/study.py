"""Why a model that selects tokens loses a pass key, and what brings it back: TokenSelect in plain PyTorch, many trials at once.

    python study.py MODEL.gguf PROSE.txt --lengths 4096,16384 [--trials 20] [--variants all] [--pairs 40]

Reads a text in passes as the runtime does (src/attention/token-select.ref.ts), once for each length, and then asks the question by each
variant. One JSON line a variant: the share of keys found, the tokens of answers that are right, and by layer the share of the needle's
tokens that the working set holds when the answer begins. A GPU makes it quick.
"""

import argparse
import json
import random
import re
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor

sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "matryoshka"))
from llama import Llama, rotate, read_gguf  # noqa: E402

QUESTION = "\nWhat is the pass key? The pass key is"
REPEATED = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again. "
WORDS = "apple river candle garden button ladder window bridge basket hammer pocket mirror lantern ribbon saddle kettle orchard needle harbour marble".split()
TAIL = 64
"""Last tokens of a prompt, which each variant reads anew."""


@dataclass(frozen=True)
class Sizes:
    initial: int
    selected: int
    local: int

    @property
    def kept(self) -> int:
        return self.local - max(1, self.local // 8)

    @property
    def capacity(self) -> int:
        return self.initial + self.selected + self.local


@dataclass(frozen=True)
class Variant:
    name: str = "runtime"
    vote: str = "soft"
    """soft: sum of heads' softmax; head: each head's own top tokens count 1; raw: sum of scores; max: largest of heads' softmax;
    rank: best rank in any head; z, zmax: sum and largest of scores by mean and deviation of the head."""
    scale: float = 1.0
    """What scores are multiplied with before softmax, times 1/sqrt(d) where negative."""
    turn: str = "local"
    """Query at position `local` of keys at 0; `none`: at 0; `true`: both at their own places."""
    queries: str = "mean"
    """Of a pass: mean query; last: its last query alone; each: votes of each query, summed; most: the largest of them."""
    smooth: int = 0
    """A token takes the largest vote of its neighbours so far away."""
    before: int = -1
    """The same to a side: how many tokens behind a liked one are taken too; -1: as many as `smooth`."""
    gates: bool = False
    """Votes by the gates of Mixture-of-Head."""
    carry: bool = False
    """Votes of layers add up."""
    tail: tuple[int, ...] = (48, 16)
    own: bool = False
    """A step attends to what it asks for itself, not to what the step before it asked for."""
    similarity: float = 0.9
    force: bool = False
    """The needle is always selected."""
    alone: bool = False
    """Nothing is selected but what is forced."""
    sizes: Sizes | None = None


def tokenizer_of(metadata: dict) -> Tokenizer:
    tokens = metadata["tokenizer.ggml.tokens"]
    merges = [tuple(pair.split(" ")) for pair in metadata["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    return tokenizer


@dataclass(frozen=True)
class Trials:
    tokens: Tensor
    """[trials, length]"""
    answers: Tensor
    """[trials, answer tokens]"""
    needles: Tensor
    """[trials, needle tokens]: places of the sentence that answers."""


class Writer:
    """Trials of one length: sentences of a novel that follow each other, with the needles between them."""

    def __init__(self, tokenizer: Tokenizer, prose: str, seed: int) -> None:
        text = re.sub(r"\s+", " ", prose)
        sentences = re.findall(r"[^.!?]+[.!?]+[\"”’']*\s", text)
        self.tokenizer, self.rng = tokenizer, random.Random(seed)
        self.sentences = [encoding.ids for encoding in tokenizer.encode_batch(sentences)]

    def ids(self, text: str) -> list[int]:
        return self.tokenizer.encode(text).ids

    def trials(self, count: int, length: int, pairs: int, device: torch.device) -> Trials:
        rows = [self._pairs(length, pairs) if pairs else self._pass_key(length) for _ in range(count)]
        tokens, answers, needles = zip(*rows, strict=True)
        shortest = min(map(len, needles))
        needles = [needle[-shortest:] for needle in needles]
        return Trials(*(torch.tensor(part, device=device) for part in (tokens, answers, needles)))

    def _pass_key(self, length: int) -> tuple[list[int], list[int], list[int]]:
        key = self.rng.randrange(10_000, 100_000)
        line = f"The pass key is {key}. Remember it. {key} is the pass key. "
        return self._hide(length, [line], 0, QUESTION, f" {key}")

    def _pairs(self, length: int, count: int) -> tuple[list[int], list[int], list[int]]:
        names = self.rng.sample([f"{a} {b}" for a in WORDS for b in WORDS if a != b], count)
        numbers = [str(self.rng.randrange(10_000, 100_000)) for _ in names]
        lines = [f"The number of {name} is {number}. " for name, number in zip(names, numbers, strict=True)]
        asked = self.rng.randrange(count)
        question = f"\nWhat is the number of {names[asked]}? The number of {names[asked]} is"
        return self._hide(length, lines, asked, question, f" {numbers[asked]}")

    def _hide(self, length: int, lines: list[str], asked: int, question: str, answer: str) -> tuple[list[int], list[int], list[int]]:
        end, hidden = self.ids(question), [self.ids(line) for line in lines]
        room = length - len(end) - sum(map(len, hidden))
        parts, at = [], self.rng.randrange(len(self.sentences))
        while (left := room - sum(map(len, parts))) > 0:
            parts.append(self.sentences[at % len(self.sentences)][-left:])
            at += 1
        places = sorted(self.rng.randrange(len(parts) + 1) for _ in lines)
        row, needle = [], []
        for i in range(len(parts) + 1):
            for n, place in enumerate(places):
                if place == i:
                    if n == asked:
                        needle = list(range(len(row), len(row) + len(hidden[n])))
                    row += hidden[n]
            row += parts[i] if i < len(parts) else []
        return row + end, self.ids(answer), needle


class Reader:
    """Reads trials pass by pass and answers, as a variant selects."""

    def __init__(self, model: Llama, trials: Trials, sizes: Sizes, room: int) -> None:
        self.model, self.trials, self.sizes = model, trials, sizes
        shape, count = model.shape, len(trials.tokens)
        places = trials.tokens.shape[1] + room
        self.keys, self.values = (
            torch.zeros(shape.layers, count, shape.kv_heads, places, shape.head_dim, device=model.device) for _ in range(2)
        )
        self.rotation = model.rotation(max(places, sizes.capacity + 64))
        self.length = 0
        self.slots: list[Tensor | None] = [None] * shape.layers
        """What each layer has selected: [trials, tokens]."""
        self.last: list[Tensor | None] = [None] * shape.layers

    def read(self, tokens: Tensor, variant: Variant, step: bool = False) -> Tensor:
        """Logits [trials, vocabulary] behind a pass of tokens [trials, rows]."""
        model, shape, sizes = self.model, self.model.shape, variant.sizes or self.sizes
        rows = tokens.shape[1]
        x, first = model.embed(tokens), self.length
        self.length += rows
        carried = None
        for layer in range(shape.layers):
            h = model.norm(x, f"blk.{layer}.attn_norm.weight")
            q, k, v = (
                model._linear(h, layer, f"attn_{part}").unflatten(2, (-1, shape.head_dim)).transpose(1, 2).float() for part in "qkv"
            )
            self.keys[layer, :, :, first : self.length], self.values[layer, :, :, first : self.length] = k, v
            gates = model._gates(layer, h) if shape.active_heads else None
            chosen = None
            if self.length >= sizes.capacity:
                # What a step asks for serves the step after it.
                chosen = self.slots[layer]
                if not step or variant.own or chosen is None:
                    chosen, carried = self._choose(layer, q, gates, variant, sizes, carried, step)
            attended = self._attend(layer, q, chosen, sizes, rows)
            if self.length >= sizes.capacity and step and not variant.own:
                _, carried = self._choose(layer, q, gates, variant, sizes, carried, step)
            if gates is not None:
                attended = attended * gates.unsqueeze(-1)
            x = x + model._linear(attended.flatten(2), layer, "attn_output").float()
            h = model.norm(x, f"blk.{layer}.ffn_norm.weight")
            inner = F.silu(model._linear(h, layer, "ffn_gate")) * model._linear(h, layer, "ffn_up")
            x = x + model._linear(inner, layer, "ffn_down").float()
        return model.logits(model.norm(x[:, -1:], "output_norm.weight"))[:, 0]

    def _attend(self, layer: int, q: Tensor, chosen: Tensor | None, sizes: Sizes, rows: int) -> Tensor:
        """[trials, rows, heads, head_dim]"""
        keys, values = self.keys[layer], self.values[layer]
        if chosen is None:
            keys, values = keys[:, :, : self.length], values[:, :, : self.length]
        else:
            count = len(chosen)
            ends = [torch.arange(sizes.initial), torch.arange(self.length - sizes.kept, self.length)]
            begin, end = (part.to(chosen.device).expand(count, -1) for part in ends)
            slots = torch.cat([begin, chosen, end], 1)[:, None, :, None].expand(-1, keys.shape[1], -1, keys.shape[3])
            keys, values = keys.gather(2, slots), values.gather(2, slots)
        span = keys.shape[2]
        share = q.shape[1] // keys.shape[1]
        k = rotate(keys, self.rotation[:, :, :span]).repeat_interleave(share, 1)
        turned = rotate(q, self.rotation[:, :, span - rows : span])
        mask = torch.ones(rows, span, dtype=torch.bool, device=q.device).tril(span - rows)
        return F.scaled_dot_product_attention(turned, k, values.repeat_interleave(share, 1), attn_mask=mask).transpose(1, 2)

    def _choose(
        self, layer: int, q: Tensor, gates: Tensor | None, variant: Variant, sizes: Sizes, carried: Tensor | None, step: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Tokens in order [trials, selected], kept for this layer, and the votes that layers hand on."""
        query = {"mean": lambda: q.mean(2, True), "last": lambda: q[:, :, -1:]}.get(variant.queries, lambda: q)()
        votes = self._votes(layer, query, gates, variant, sizes)
        if variant.smooth:
            before = variant.smooth if variant.before < 0 else variant.before
            padded = F.pad(votes[:, None], (variant.smooth, before), value=-torch.inf)
            votes = F.max_pool1d(padded, variant.smooth + before + 1, 1)[:, 0]
        if variant.carry:
            votes = carried = votes if carried is None else votes + carried
        if variant.force:
            votes = votes.clone()
            places = self.trials.needles - sizes.initial
            inside = (places >= 0) & (places < votes.shape[1])
            votes.scatter_(1, places.clamp(0, votes.shape[1] - 1), torch.where(inside, torch.inf, -torch.inf))
        count = self.trials.needles.shape[1] if variant.alone else sizes.selected
        best = votes.topk(count, dim=1).indices.sort(1).values + sizes.initial
        mean = q.mean(2).flatten(1)
        if step and self.last[layer] is not None and self.slots[layer] is not None:
            goes_on = F.cosine_similarity(mean, self.last[layer], dim=1) >= variant.similarity
            best = torch.where(goes_on[:, None], self.slots[layer], best)
            mean = torch.where(goes_on[:, None], self.last[layer], mean)
        # Behind a pass no query is known.
        self.last[layer] = mean if step else None
        self.slots[layer] = best
        return best, carried

    def _votes(self, layer: int, q: Tensor, gates: Tensor | None, variant: Variant, sizes: Sizes) -> Tensor:
        """[trials, candidates] by queries [trials, heads, rows, head_dim]."""
        end = self.length - sizes.kept
        keys = self.keys[layer, :, :, sizes.initial : end]
        if variant.turn == "true":
            keys = rotate(keys, self.rotation[:, :, sizes.initial : end])
            q = rotate(q, self.rotation[:, :, self.length - 1 : self.length])
        elif variant.turn == "local":
            q = rotate(q, self.rotation[:, :, sizes.local : sizes.local + 1])
        share, (count, heads, rows, width) = q.shape[1] // keys.shape[1], q.shape
        scores = q.reshape(count, -1, share * rows, width) @ keys.mT
        scores = scores.view(count, heads, rows, -1)
        scale = variant.scale if variant.scale > 0 else -variant.scale / width**0.5
        scores = scores * scale
        if variant.vote in ("soft", "max"):
            votes = scores.softmax(-1)
        elif variant.vote == "raw":
            votes = scores
        elif variant.vote == "head":
            best = scores.topk(sizes.selected, dim=-1).indices
            votes = torch.zeros_like(scores).scatter(-1, best, 1.0)
        elif variant.vote == "rank":
            votes = -scores.argsort(-1, descending=True).argsort(-1).float()
        else:
            votes = (scores - scores.mean(-1, True)) / scores.std(-1, keepdim=True)
        if variant.gates and gates is not None:
            votes = votes * gates.mean(1)[:, :, None, None]
        votes = votes.amax(1) if variant.vote in ("max", "rank", "zmax") else votes.sum(1)
        return votes.amax(1) if variant.queries == "most" else votes.sum(1)

    def held(self, sizes: Sizes) -> list[float]:
        """By layer: the share of the needles' tokens that the working set holds."""
        needles = self.trials.needles
        ends = (needles < sizes.initial) | (needles >= self.length - sizes.kept)
        shares = []
        for slots in self.slots:
            inside = ends if slots is None else ends | (needles[:, :, None] == slots[:, None]).any(-1)
            shares.append(round(inside.float().mean().item(), 2))
        return shares


@torch.no_grad()
def begin(model: Llama, trials: Trials, sizes: Sizes, variant: Variant, rows: int) -> Reader:
    """Reads all but the tail, in passes of so many tokens."""
    reader = Reader(model, trials, sizes, room=16)
    until = trials.tokens.shape[1] - TAIL
    while reader.length < until:
        reader.read(trials.tokens[:, reader.length : min(until, reader.length + rows)], variant)
    return reader


@torch.no_grad()
def ask(reader: Reader, variant: Variant) -> dict:
    trials, sizes = reader.trials, variant.sizes or reader.sizes
    reader.length = trials.tokens.shape[1] - TAIL
    layers = len(reader.slots)
    reader.slots, reader.last = [None] * layers, [None] * layers
    for rows in variant.tail:
        logits = reader.read(trials.tokens[:, reader.length : reader.length + rows], variant)
    held = reader.held(sizes)
    right = [logits.argmax(-1) == trials.answers[:, 0]]
    later = held
    for i in range(trials.answers.shape[1] - 1):
        right.append(reader.read(trials.answers[:, i : i + 1], variant, step=True).argmax(-1) == trials.answers[:, i + 1])
        later = reader.held(sizes) if i == 0 else later
    right = torch.stack(right, 1)
    return {
        "variant": variant.name,
        "found": round(right.all(1).float().mean().item(), 3),
        "rightTokens": [round(share, 2) for share in right.float().mean(0).tolist()],
        "held": held,
        "heldAfterStep": later,
    }


def variants(sizes: Sizes) -> list[Variant]:
    base = Variant()
    tails = {"16": (48, 16), "1": (63, 1), "15+1": (48, 15, 1), "each": (48, *[1] * 16)}
    scaled = -1.0
    result = [
        base,
        replace(base, name="needle forced", force=True),
        replace(base, name="needle alone", force=True, alone=True),
        replace(base, name="own step", own=True, similarity=2.0),
    ]
    for vote in ("soft", "head", "raw", "max", "rank", "z", "zmax"):
        for scale in (1.0, scaled) if vote in ("soft", "max") else (1.0,):
            for tail in ("16", "15+1"):
                name = f"{vote}{' scaled' if scale < 0 else ''}, tail {tail}"
                result.append(replace(base, name=name, vote=vote, scale=scale, tail=tails[tail], own=tail != "16", similarity=2.0))
    own = replace(base, own=True, similarity=2.0)
    for smooth in (2, 4, 8):
        result.append(replace(own, name=f"own step, smooth {smooth}", smooth=smooth))
        for part in (2, 4, 8):
            fewer = replace(sizes, selected=sizes.selected // part)
            result.append(replace(own, name=f"own step, smooth {smooth}, selected / {part}", smooth=smooth, sizes=fewer))
    good = replace(base, scale=scaled, tail=tails["15+1"], own=True, similarity=2.0)
    for turn in ("none", "true"):
        result.append(replace(good, name=f"scaled, 15+1, turn {turn}", turn=turn))
    for tail in ("1", "each"):
        result.append(replace(good, name=f"scaled, tail {tail}", tail=tails[tail]))
    for queries in ("each", "most", "last"):
        result.append(replace(good, name=f"scaled, tail 16, queries {queries}", queries=queries, tail=tails["16"]))
    for vote, scale in (("soft", scaled), ("max", scaled), ("rank", 1.0), ("zmax", 1.0)):
        for smooth in (1, 2, 4, 8):
            wide = replace(good, vote=vote, scale=scale, smooth=smooth)
            result.append(replace(wide, name=f"{vote}, 15+1, smooth {smooth}"))
            if smooth > 2:
                result.append(replace(wide, name=f"{vote}, 16, smooth {smooth}", tail=tails["16"], queries="most"))
                result.append(replace(wide, name=f"{vote}, each, smooth {smooth}", tail=tails["each"]))
    for gated in ("soft", "max", "zmax"):
        result.append(replace(good, name=f"{gated}, 15+1, gates, smooth 4", vote=gated, gates=True, smooth=4))
    result.append(replace(good, name="soft, 15+1, carry, smooth 4", carry=True, smooth=4))
    half = replace(sizes, selected=sizes.selected // 2)
    quarter = replace(sizes, selected=sizes.selected // 4)
    for name, other in (("half", half), ("quarter", quarter), ("local x2", replace(half, local=min(2 * sizes.local, sizes.local + half.selected)))):
        for vote in ("soft", "zmax"):
            result.append(replace(good, name=f"{vote}, 15+1, smooth 4, {name}", vote=vote, smooth=4, sizes=other))
    return result


def pair_variants() -> list[Variant]:
    base = Variant(tail=(48, 15, 1), own=True, similarity=2.0, scale=-1.0)
    result = [Variant(name="runtime"), replace(base, name="needle forced", force=True)]
    for vote in ("soft", "head", "raw", "max", "rank", "zmax"):
        for smooth in (0, 4):
            result.append(replace(base, name=f"{vote}, 15+1, smooth {smooth}", vote=vote, smooth=smooth))
    return result


def sizes_of(context: int) -> Sizes:
    """As the runtime chooses them for a trained length."""
    share = min(1.0, context / 2688)
    initial, local = int(128 * share), int(512 * share) // 64 * 64
    return Sizes(initial, min(2048, context - initial - local), local)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("prose", type=Path)
    parser.add_argument("--lengths", default="4096,16384")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--pairs", type=int, default=0, help="facts of which one is asked for, in place of a pass key")
    parser.add_argument("--pass-share", type=float, default=1.0, help="of the kept local tokens: the tokens of a pass while reading")
    parser.add_argument("--read-smooth", type=int, default=0, help="while reading, a token takes the largest vote of its neighbours so far away")
    parser.add_argument("--selected", type=int, default=0, help="tokens that are selected; default: what the trained length has room for")
    parser.add_argument("--repeated", action="store_true", help="between repetitions of the usual line, not sentences of the prose")
    parser.add_argument("--only", default="", help="a regular expression of variants' names")
    parser.add_argument("--dense", default="", help="lengths at which all is attended to, too")
    arguments = parser.parse_args()
    torch.set_float32_matmul_precision("high")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = Llama(arguments.model, device, torch.float32)
    prose = REPEATED if arguments.repeated else arguments.prose.read_text(encoding="utf-8")
    writer = Writer(tokenizer_of(read_gguf(arguments.model)[0]), prose, seed=5)
    sizes = sizes_of(model.shape.context)
    if arguments.selected:
        sizes = replace(sizes, selected=arguments.selected)

    def report(length: int, line: dict, since: float) -> None:
        known = {"model": arguments.model.stem, "length": length, "trials": arguments.trials, "pairs": arguments.pairs}
        print(json.dumps(known | line | {"seconds": round(time.time() - since, 2)}), flush=True)

    for length in map(int, filter(None, arguments.dense.split(","))):
        since, trials = time.time(), writer.trials(arguments.trials, length, arguments.pairs, device)
        all_of_it = replace(sizes, selected=length)
        reader = begin(model, trials, all_of_it, Variant(), sizes.kept)
        report(length, ask(reader, Variant(name="dense")), since)
        del reader
    for length in map(int, filter(None, arguments.lengths.split(","))):
        since, trials = time.time(), writer.trials(arguments.trials, length, arguments.pairs, device)
        rows = max(1, int(sizes.kept * arguments.pass_share))
        reading = Variant(smooth=arguments.read_smooth)
        reader = begin(model, trials, sizes, reading, rows)
        read = {"passRows": rows, "smooth": reading.smooth, "selected": sizes.selected, "repeated": arguments.repeated}
        report(length, {"variant": "reading"} | read, since)
        for variant in pair_variants() if arguments.pairs else variants(sizes):
            if re.search(arguments.only, variant.name):
                since = time.time()
                report(length, ask(reader, variant), since)
        del reader


if __name__ == "__main__":
    main()
