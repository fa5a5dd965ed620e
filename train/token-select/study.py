"""Why a model that selects tokens loses a needle, and what brings it back: TokenSelect in plain PyTorch, many trials at once.

    python study.py MODEL.gguf PROSE.txt --lengths 4096,16384 [--trials 20] [--chat] [--sizes 128,256,256] [--pairs 40]

Reads a text in passes as the runtime does (src/attention/token-select.ref.ts), once for each length and size of the working set, and then
asks each question by each variant. One JSON line each: the share of needles found, the first answer, and by layer the share of the
needle's tokens that the working set holds when the answer begins. A GPU makes it quick.
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
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor

sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "matryoshka"))
from llama import Llama, finished, gates, linear, read_gguf, rotate  # noqa: E402

REPEATED = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again. "
WORDS = "apple river candle garden button ladder window bridge basket hammer pocket mirror lantern ribbon saddle kettle orchard needle harbour marble".split()
NEEDLES = json.loads(Path(__file__).with_name("needles.json").read_text(encoding="utf-8"))
"""Facts, how they are asked for and who they are about: the same for `npm run bench:long`."""
TAIL = 96
"""Last tokens of a prompt, which each variant reads anew: questions differ in them alone."""
ANSWER = 20
"""Tokens of an answer."""
END, USER, ASSISTANT = "<|im_end|>", "<|im_start|>user\n", "<|im_start|>assistant\n"


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
    smooth: int = 4
    """A token takes the largest vote of its neighbours so far away."""
    before: int = -1
    """The same to a side: how many tokens behind a liked one are taken too; -1: as many as `smooth`."""
    gates: bool = False
    """Votes by the gates of Mixture-of-Head."""
    carry: bool = False
    """Votes of layers add up."""
    tail: tuple[int, ...] = (1,) * 16
    """Passes that end the prompt."""
    own: bool = True
    """A step attends to what it asks for itself, not to what the step before it asked for."""
    similarity: float = 2.0
    force: bool = False
    """The needle is always selected."""
    alone: bool = False
    """Nothing is selected but what is forced."""
    sizes: Sizes | None = None


class Words:
    def __init__(self, metadata: dict) -> None:
        tokens = metadata["tokenizer.ggml.tokens"]
        merges = [tuple(pair.split(" ")) for pair in metadata["tokenizer.ggml.merges"]]
        self.tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
        self.tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )
        self.tokenizer.decoder = decoders.ByteLevel()
        self.tokenizer.add_special_tokens([token for token in tokens if re.fullmatch(r"<\|\w+\|>", token)])

    def ids(self, text: str) -> list[int]:
        return self.tokenizer.encode(text).ids

    def text(self, ids: list[int]) -> str:
        """Up to where the model ends."""
        return self.tokenizer.decode(ids, skip_special_tokens=False).split(END)[0]


@dataclass(frozen=True)
class Form:
    """How a model is spoken to: a text that goes on, or what a user says by ChatML."""

    is_chat: bool
    opening: str
    asking: str
    """What the question stands in."""

    def tail(self, question: str, begun: str) -> str:
        if self.is_chat:
            return f"{self.asking.format(question)}{END}\n{ASSISTANT}{begun}"
        return f"\n{question} {begun}"


def chat_form(metadata: dict, system: str | None, asking: str) -> Form:
    """With the system turn of the model's template, another, or where it is empty none."""
    if system:
        first = f"<|im_start|>system\n{system}{END}\n"
    else:
        own = re.search(r"<\|im_start\|>system\n.*?<\|im_end\|>\n", metadata.get("tokenizer.chat_template", ""), re.DOTALL)
        first = own.group() if own and system is None else ""
    return Form(True, first + USER, asking)


@dataclass(frozen=True)
class Question:
    tails: Tensor
    """[trials, TAIL]: what follows the text."""
    answers: list[str]
    needles: Tensor
    """[trials, needle tokens]: places of the sentence that answers."""


@dataclass(frozen=True)
class Trials:
    tokens: Tensor
    """[trials, tokens of the text]"""
    questions: dict[str, Question]


@dataclass(frozen=True)
class Hidden:
    """A sentence in the text, and how it is asked for: by name, the question and what the answer begins with."""

    line: str
    answer: str
    asked: dict[str, tuple[str, str]]


class Writer:
    """Trials of one length: sentences of a novel that follow each other, with the needles between them."""

    def __init__(self, words: Words, prose: str, seed: int, form: Form) -> None:
        text = re.sub(r"\s+", " ", prose)
        sentences = re.findall(r"[^.!?]+[.!?]+[\"”’']*\s", text)
        self.words, self.rng, self.form = words, random.Random(seed), form
        self.sentences = [encoding.ids for encoding in words.tokenizer.encode_batch(sentences)]

    def trials(self, count: int, length: int, pairs: int, device: torch.device) -> Trials:
        rows = [self._row(length, self._pairs(pairs) if pairs else [self._pass_key(), self._fact()]) for _ in range(count)]
        texts, asked = zip(*rows, strict=True)
        questions = {}
        for name in asked[0]:
            tails, answers, needles = zip(*(own[name] for own in asked), strict=True)
            shortest = min(map(len, needles))
            places = torch.tensor([needle[-shortest:] for needle in needles], device=device)
            questions[name] = Question(torch.tensor(tails, device=device), list(answers), places)
        return Trials(torch.tensor(texts, device=device), questions)

    def _pass_key(self) -> Hidden:
        key = str(self.rng.randrange(10_000, 100_000))
        line = f"The pass key is {key}. Remember it. {key} is the pass key. "
        if self.form.is_chat:
            return Hidden(line, key, {"key": ("What is the pass key?", ""), "number": ("What number is the pass key?", "")})
        return Hidden(line, key, {"key": ("What is the pass key?", "The pass key is")})

    def _fact(self) -> Hidden:
        fact, name = self.rng.choice(NEEDLES["facts"]), self.rng.choice(NEEDLES["names"])
        answer = self.rng.choice(fact["answers"])
        asked = {"fact": (fact["question"].format(name=name), "")} if self.form.is_chat else {}
        return Hidden(fact["line"].format(name=name, answer=answer), answer, asked)

    def _pairs(self, count: int) -> list[Hidden]:
        names = self.rng.sample([f"{a} {b}" for a in WORDS for b in WORDS if a != b], count)
        numbers = [str(self.rng.randrange(10_000, 100_000)) for _ in names]
        asked = self.rng.randrange(count)
        return [
            Hidden(
                f"The number of {name} is {number}. ",
                number,
                {"pair": (f"What is the number of {name}?", f"The number of {name} is")} if i == asked else {},
            )
            for i, (name, number) in enumerate(zip(names, numbers, strict=True))
        ]

    def _row(self, length: int, hidden: list[Hidden]) -> tuple[list[int], dict[str, tuple[list[int], str, list[int]]]]:
        """The text, and of each question the tail, the answer and where it stands."""
        row = self.words.ids(self.form.opening)
        lines = [self.words.ids(own.line) for own in hidden]
        room = length - TAIL - len(row) - sum(map(len, lines))
        parts, at = [], self.rng.randrange(len(self.sentences))
        while (left := room - sum(map(len, parts))) > 0:
            parts.append(self.sentences[at % len(self.sentences)][-left:])
            at += 1
        places = sorted(self.rng.randrange(len(parts) + 1) for _ in lines)
        self.rng.shuffle(places)
        needles: list[list[int]] = [[] for _ in lines]
        for i in range(len(parts) + 1):
            for n, place in enumerate(places):
                if place == i:
                    needles[n] = list(range(len(row), len(row) + len(lines[n])))
                    row += lines[n]
            row += parts[i] if i < len(parts) else []
        after = [token for i in range(TAIL) for token in self.sentences[(at + i) % len(self.sentences)]]
        asked = {
            name: (self._tail(after, *question), own.answer, needles[n])
            for n, own in enumerate(hidden)
            for name, question in own.asked.items()
        }
        return row, asked

    def _tail(self, after: list[int], question: str, begun: str) -> list[int]:
        ids = self.words.ids(self.form.tail(question, begun))
        return after[len(ids) - TAIL :] + ids


class Reader:
    """Reads trials pass by pass and answers, as a variant selects."""

    def __init__(self, model: Llama, trials: Trials, sizes: Sizes) -> None:
        self.model, self.trials, self.sizes = model, trials, sizes
        self.needles = next(iter(trials.questions.values())).needles
        shape, count = model.shape, len(trials.tokens)
        places = trials.tokens.shape[1] + TAIL + ANSWER
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
            h, own = model.norm(x, f"blk.{layer}.attn_norm.weight"), model.of_layer(layer)
            q, k, v = (
                linear(h, own[f"attn_{part}.weight"], model.dtype).unflatten(2, (-1, shape.head_dim)).transpose(1, 2).float() for part in "qkv"
            )
            self.keys[layer, :, :, first : self.length], self.values[layer, :, :, first : self.length] = k, v
            of_heads = gates(shape, own, h, q)
            chosen = None
            if self.length >= sizes.capacity:
                # What a step asks for serves the step after it.
                chosen = self.slots[layer]
                if not step or variant.own or chosen is None:
                    chosen, carried = self._choose(layer, q, of_heads, variant, sizes, carried, step)
            attended = self._attend(layer, q, chosen, sizes, rows)
            if self.length >= sizes.capacity and step and not variant.own:
                _, carried = self._choose(layer, q, of_heads, variant, sizes, carried, step)
            x = finished(shape, model.dtype, own, x, attended.transpose(1, 2), of_heads)
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
            places = self.needles - sizes.initial
            inside = (places >= 0) & (places < votes.shape[1])
            votes.scatter_(1, places.clamp(0, votes.shape[1] - 1), torch.where(inside, torch.inf, -torch.inf))
        count = self.needles.shape[1] if variant.alone else sizes.selected
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
        needles = self.needles
        ends = (needles < sizes.initial) | (needles >= self.length - sizes.kept)
        shares = []
        for slots in self.slots:
            inside = ends if slots is None else ends | (needles[:, :, None] == slots[:, None]).any(-1)
            shares.append(round(inside.float().mean().item(), 2))
        return shares


@torch.no_grad()
def begin(model: Llama, trials: Trials, sizes: Sizes, variant: Variant, rows: int) -> Reader:
    """Reads the text, in passes of so many tokens."""
    reader = Reader(model, trials, sizes)
    while reader.length < trials.tokens.shape[1]:
        reader.read(trials.tokens[:, reader.length : reader.length + rows], variant)
    return reader


@torch.no_grad()
def ask(reader: Reader, words: Words, name: str, variant: Variant) -> dict:
    trials, sizes = reader.trials, variant.sizes or reader.sizes
    question = trials.questions[name]
    reader.length, reader.needles = trials.tokens.shape[1], question.needles
    layers = len(reader.slots)
    reader.slots, reader.last = [None] * layers, [None] * layers
    for part in question.tails.split([TAIL - sum(variant.tail), *variant.tail], dim=1):
        logits = reader.read(part, variant)
    held = reader.held(sizes)
    answer = [logits.argmax(-1)]
    for _ in range(ANSWER - 1):
        answer.append(reader.read(answer[-1][:, None], variant, step=True).argmax(-1))
    texts = [words.text(row) for row in torch.stack(answer, 1).tolist()]
    found = [right in text for right, text in zip(question.answers, texts, strict=True)]
    places = (question.needles[:, 0] / reader.length).tolist()
    return {
        "question": name,
        "variant": variant.name,
        "found": round(sum(found) / len(found), 3),
        "answers": texts[:3],
        "lostAt": [round(place, 2) for place, is_found in zip(places, found, strict=True) if not is_found],
        "held": held,
    }


def variants(sizes: Sizes) -> list[Variant]:
    """The runtime, and what differs from it in one thing."""
    runtime = Variant()
    result = [
        runtime,
        replace(runtime, name="needle forced", force=True),
        replace(runtime, name="needle alone", force=True, alone=True),
        replace(runtime, name="lag", own=False, similarity=0.9),
        replace(runtime, name="scaled", scale=-1.0),
        replace(runtime, name="carry", carry=True),
        replace(runtime, name="gates", gates=True),
    ]
    for vote in ("head", "raw", "max", "rank", "z", "zmax"):
        result.append(replace(runtime, name=f"vote {vote}", vote=vote))
    for smooth in (0, 2, 8, 16):
        result.append(replace(runtime, name=f"smooth {smooth}", smooth=smooth))
    for tail in ((16,), (1,), (15, 1), (4,), (32,)):
        result.append(replace(runtime, name=f"tail {'+'.join(map(str, tail))}", tail=tail))
    for turn in ("none", "true"):
        result.append(replace(runtime, name=f"turn {turn}", turn=turn))
    for queries in ("each", "most", "last"):
        result.append(replace(runtime, name=f"tail 16, queries {queries}", queries=queries, tail=(16,)))
    for part in (2, 4, 8):
        result.append(replace(runtime, name=f"selected / {part}", sizes=replace(sizes, selected=sizes.selected // part)))
    return result


def sizes_of(context: int) -> Sizes:
    """As the runtime chooses them for a trained length."""
    share = min(1.0, context / 2688)
    initial, local = int(128 * share), int(512 * share) // 64 * 64
    return Sizes(initial, min(2048, context // 2 - initial - local), local)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("prose", type=Path)
    parser.add_argument("--lengths", default="4096,16384")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--chat", action="store_true", help="a user says the text and then the question, by ChatML")
    parser.add_argument("--system", help="what the system says; default: what the model's template has it say")
    parser.add_argument("--asking", default="\n\n{}", help="what the question stands in")
    parser.add_argument("--pairs", type=int, default=0, help="facts of which one is asked for, in place of a pass key and one fact")
    parser.add_argument("--sizes", nargs="*", default=[], help="initial,selected,local; default: the runtime's for the trained length")
    parser.add_argument("--pass-share", type=float, default=0.5, help="of the kept local tokens: the tokens of a pass while reading")
    parser.add_argument("--read-smooth", type=int, default=4, help="while reading, a token takes the largest vote of its neighbours so far away")
    parser.add_argument("--repeated", action="store_true", help="between repetitions of the usual line, not sentences of the prose")
    parser.add_argument("--only", default="", help="a regular expression of variants' names")
    parser.add_argument("--dense", default="", help="lengths at which all is attended to, too")
    arguments = parser.parse_args()
    torch.set_float32_matmul_precision("high")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = Llama(arguments.model, device, torch.float32)
    metadata = read_gguf(arguments.model)[0]
    words = Words(metadata)
    form = chat_form(metadata, arguments.system, arguments.asking) if arguments.chat else Form(False, "", "")
    prose = REPEATED if arguments.repeated else arguments.prose.read_text(encoding="utf-8")
    known = {"model": arguments.model.stem, "opening": form.opening, "asking": form.asking, "repeated": arguments.repeated, "trials": arguments.trials}

    def report(line: dict, since: float) -> None:
        print(json.dumps(known | line | {"seconds": round(time.time() - since, 2)}), flush=True)

    def study(length: int, sizes: Sizes, asked: list[Variant]) -> None:
        since = time.time()
        # The same texts for all sizes.
        trials = Writer(words, prose, 5, form).trials(arguments.trials, length, arguments.pairs, device)
        rows = max(1, int(sizes.kept * arguments.pass_share))
        reader = begin(model, trials, sizes, Variant(smooth=arguments.read_smooth), rows)
        read = {"length": length, "attended": sizes.capacity, "passRows": rows}
        report(read | {"sizes": [sizes.initial, sizes.selected, sizes.local]}, since)
        for variant in asked:
            for name in trials.questions:
                since = time.time()
                report(read | ask(reader, words, name, variant), since)

    for length in map(int, filter(None, arguments.dense.split(","))):
        study(length, replace(sizes_of(model.shape.context), selected=length), [Variant(name="dense")])
    given = [Sizes(*map(int, each.split(","))) for each in arguments.sizes] or [sizes_of(model.shape.context)]
    for length in map(int, filter(None, arguments.lengths.split(","))):
        for sizes in given:
            study(length, sizes, [variant for variant in variants(sizes) if re.search(arguments.only, variant.name)])


if __name__ == "__main__":
    main()
