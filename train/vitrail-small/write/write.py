"""Writes chats and stories with SmolLM2-135M-Instruct on one GPU: what Vitrail Small learns to chat from.

    python write.py SmolLM2-135M-Instruct.gguf PREPARED OUT --minutes 1.3 --seed 11

PREPARED holds what prepare.py wrote. Every row of the batch is at a place of its own: a step is one CUDA graph that computes a token of
each row, its prompt's while that lasts, and rows that are done get the next prompt. OUT gets JSON lines, xz-compressed:
{"before": [turns], "prompt", "text", "cut"}; cut: the text was longer than the row and ends with its last whole sentence.
"""

import argparse
import json
import lzma
import math
import random
import re
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor

from gguf_arrays import read_gguf

LAYERS, HEADS, KV_HEADS, HEAD_DIM, HIDDEN = 30, 9, 3, 64, 576
STEPS_AT_ONCE = 24
TEMPERATURES = (0.5, 0.7, 0.85)
MIN_P = 0.08
REPETITION_PENALTY = 1.12
"""A small model left to itself says everything twice."""
FOLLOW_UP_SHARE = 0.15
SYSTEM = "You are a helpful assistant. You answer in plain, simple words, in a few sentences."
STORIES = [
    "Write a short story about a {adjective} {character} who finds a {object} in {place}.",
    "Tell me a bedtime story about a {character} and a {other_character}.",
    "Write a very short story with the words {object}, {feeling} and {place}. Use simple words.",
    "Tell a story for small children in which a {character} learns about {virtue}.",
    "Write a {adjective} adventure about {name} and a {character} in {place}.",
    "Write a very short story about a {adjective} {character} in {place}. Use simple words.",
    "Tell me a short story about a {adjective} {character} and a {object}.",
    "Tell me a story about {name} and {other_name}.",
    "Tell me a story about a {character} in {place}.",
    "Write a story of five sentences about a {character} and a {other_character}.",
    "Please write a story about {name}, who is {feeling} because of a {object}.",
    "Write a story that begins in {place} and ends well.",
    "Tell me a funny story about a {character} who loves {food}.",
    "Once upon a time there was a {adjective} {character}. Continue the story.",
]
QUESTIONS = [
    "What is {topic}?",
    "Tell me about {topic}.",
    "In two sentences: what is {topic}?",
    "Explain {topic} in simple words.",
    "Why is {topic} important?",
    "Tell me something interesting about {topic}.",
    "How does {topic} work?",
    "Give me three facts about {topic}.",
    "Can you describe {topic} to a child?",
    "Write two sentences about {topic}.",
    "What should I know about {topic}?",
    "What do people like about {topic}?",
    "Give me tips about {activity}.",
    "How do I start with {activity}?",
    "Why do people enjoy {activity}?",
    "I feel {feeling} today. What can I do?",
    "What can I cook with {food}?",
    "Write a short poem about {object}s and {topic}.",
    "What is the difference between {topic} and {other_topic}?",
    "Hello! Can you help me with {activity}?",
    "Make a list of five things about {topic}.",
]
FOLLOW_UPS = [
    "Tell me more.",
    "Can you say that in one sentence?",
    "Give me an example.",
    "Thank you! What else should I know?",
    "Can you explain it to a child?",
    "What happens next?",
    "Please make it shorter.",
    "Can you give me a tip?",
]


class Prompts:
    """Stories, questions of a few forms about many things, and questions that people wrote."""

    def __init__(self, questions: list[str], words: dict[str, list[str]], seed: int) -> None:
        self.questions, self.words, self.random = questions, words, random.Random(seed)

    def next(self) -> str:
        kind = self.random.random()
        if kind >= 0.85:
            return self.random.choice(self.questions)
        form = self.random.choice(STORIES if kind < 0.4 else QUESTIONS)
        chosen = {name: self.random.choice(words) for name, words in self.words.items()}
        others = {f"other_{name}": self.random.choice(words) for name, words in self.words.items()}
        return re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", form.format(**chosen, **others))


class Writer:
    """A batch of rows of one length, with their caches and a step as a graph."""

    def __init__(self, model: Path, batch: int, length: int, ends: list[int], device: torch.device) -> None:
        metadata, arrays = read_gguf(model)
        self.dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
        self.epsilon = float(metadata["llama.attention.layer_norm_rms_epsilon"])
        self.weights = self._stacked({name: torch.tensor(array).to(device, self.dtype) for name, array in arrays.items()})
        base = float(metadata["llama.rope.freq_base"])
        pairs = torch.arange(0, HEAD_DIM, 2, device=device, dtype=torch.float32) / HEAD_DIM
        angles = torch.arange(length, device=device, dtype=torch.float32)[:, None] * base**-pairs
        self.cos, self.sin = angles.cos(), angles.sin()
        self.keys = torch.zeros(LAYERS, batch, KV_HEADS, length, HEAD_DIM, device=device, dtype=self.dtype)
        self.values = torch.zeros_like(self.keys)
        self.row = torch.arange(batch, device=device)
        self.place = torch.arange(length, device=device)
        self.position = torch.zeros(batch, dtype=torch.long, device=device)
        self.prompt_length = torch.ones(batch, dtype=torch.long, device=device)
        self.tokens = torch.zeros(batch, length, dtype=torch.long, device=device)
        self.done = torch.zeros(batch, dtype=torch.bool, device=device)
        self.temperature = torch.full((batch, 1), 0.7, device=device)
        self.ends = torch.tensor(ends, device=device)
        self.has_system = [False] * batch

    @staticmethod
    def _stacked(weights: dict[str, Tensor]) -> dict[str, Tensor]:
        for layer in range(LAYERS):
            for name, parts in [("qkv", ["attn_q", "attn_k", "attn_v"]), ("gate_up", ["ffn_gate", "ffn_up"])]:
                weights[f"{layer}.{name}"] = torch.cat([weights.pop(f"blk.{layer}.{part}.weight") for part in parts])
        return weights

    def _norm(self, x: Tensor, name: str) -> Tensor:
        return F.rms_norm(x, (HIDDEN,), self.weights[name], self.epsilon)

    def _rotate(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Neighbouring pairs of x [rows, heads, head_dim], as GGUF's llama has them."""
        even, odd = x.float().unflatten(-1, (-1, 2)).unbind(-1)
        return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2).to(self.dtype)

    def _logits(self) -> Tensor:
        weights, position = self.weights, self.position
        x = F.embedding(self.tokens[self.row, position], weights["token_embd.weight"])
        cos, sin = self.cos[position][:, None], self.sin[position][:, None]
        unseen = (self.place[None] > position[:, None])[:, None, None]
        mask = torch.zeros_like(unseen, dtype=self.dtype).masked_fill_(unseen, -3e4)
        for layer in range(LAYERS):
            qkv = self._norm(x, f"blk.{layer}.attn_norm.weight") @ weights[f"{layer}.qkv"].T
            qkv = qkv.view(-1, HEADS + 2 * KV_HEADS, HEAD_DIM)
            rotated = self._rotate(qkv[:, : HEADS + KV_HEADS], cos, sin)
            self.keys[layer].transpose(1, 2).index_put_((self.row, position), rotated[:, HEADS:])
            self.values[layer].transpose(1, 2).index_put_((self.row, position), qkv[:, HEADS + KV_HEADS :])
            query = rotated[:, :HEADS].reshape(-1, KV_HEADS, HEADS // KV_HEADS, HEAD_DIM) * HEAD_DIM**-0.5
            scores = query @ self.keys[layer].transpose(2, 3) + mask
            attended = scores.softmax(-1, dtype=torch.float32).to(self.dtype) @ self.values[layer]
            x = x + attended.reshape(-1, HIDDEN) @ weights[f"blk.{layer}.attn_output.weight"].T
            gate, up = (self._norm(x, f"blk.{layer}.ffn_norm.weight") @ weights[f"{layer}.gate_up"].T).chunk(2, -1)
            x = x + (F.silu(gate) * up) @ weights[f"blk.{layer}.ffn_down.weight"].T
        return (self._norm(x, "output_norm.weight") @ weights["token_embd.weight"].T).float()

    def step(self) -> None:
        """A token for every row; all in place, so that a graph can repeat it."""
        logits = self._logits()
        ending = logits[:, self.ends]
        said = logits.gather(1, self.tokens)
        logits.scatter_(1, self.tokens, torch.where(said > 0, said / REPETITION_PENALTY, said * REPETITION_PENALTY))
        logits.index_copy_(1, self.ends, ending)
        logits = logits / self.temperature
        logits.masked_fill_(logits < logits.amax(-1, keepdim=True) + math.log(MIN_P), -1e9)
        # The clock that rings first draws by the probabilities.
        drawn = (logits - torch.empty_like(logits).exponential_().log_()).argmax(-1)
        length = self.tokens.shape[1]
        following = (self.position + 1).clamp(max=length - 1)
        known = self.tokens[self.row, following]
        token = torch.where((following < self.prompt_length) | self.done, known, drawn)
        self.tokens[self.row, following] = token
        is_end = torch.isin(token, self.ends) | (following == length - 1)
        self.position.copy_(torch.where(self.done, self.position, following))
        self.done.logical_or_((following >= self.prompt_length) & is_end)

    def begin(self, rows: list[int], prompts: list[list[int]], temperatures: list[float], common: int) -> None:
        """`common`: the first tokens of all prompts, whose keys and values a row has from its last prompt."""
        device = self.tokens.device
        starts = [common if self.has_system[row] else 0 for row in rows]
        for row in rows:
            self.has_system[row] = True
        index = torch.tensor(rows, device=device)
        block = torch.zeros(len(rows), self.tokens.shape[1], dtype=torch.long)
        for row, prompt in zip(block, prompts, strict=True):
            row[: len(prompt)] = torch.tensor(prompt)
        self.tokens[index] = block.to(device)
        self.prompt_length[index] = torch.tensor([len(prompt) for prompt in prompts], device=device)
        self.temperature[index, 0] = torch.tensor(temperatures, device=device)
        self.position[index] = torch.tensor(starts, device=device)
        self.done[index] = False

    def captured(self):
        """`step` as a graph, where the device has graphs."""
        if self.tokens.device.type != "cuda":
            return self.step
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            self.step()
            self.step()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.step()
        return graph.replay


def render(turns: list[str]) -> str:
    roles = ("user", "assistant")
    said = "".join(f"<|im_start|>{roles[i % 2]}\n{turn}<|im_end|>\n" for i, turn in enumerate(turns))
    return f"<|im_start|>system\n{SYSTEM}<|im_end|>\n{said}<|im_start|>assistant\n"


def whole_sentences(text: str) -> str:
    return text[: max(text.rfind(sign) for sign in '.!?"') + 1]


class Conversations:
    """What each row is asked, and what it said."""

    def __init__(self, writer: Writer, tokenizer: Tokenizer, prompts: Prompts) -> None:
        self.writer, self.tokenizer, self.prompts = writer, tokenizer, prompts
        batch, self.length = writer.tokens.shape
        self.turns: list[list[str]] = [[] for _ in range(batch)]
        self.lines: list[str] = []
        self.count = 0
        self.common = len(tokenizer.encode(render([""]).split("user\n")[0] + "user").ids)

    def ask(self, rows: list[int], follow_ups: dict[int, list[str]]) -> None:
        encoded = []
        for row in rows:
            turns = follow_ups.get(row) or [self.prompts.next()]
            ids = self.tokenizer.encode(render(turns)).ids
            while len(ids) > 0.7 * self.length:
                turns = [self.prompts.next()]
                ids = self.tokenizer.encode(render(turns)).ids
            self.turns[row] = turns
            encoded.append(ids)
        self.writer.begin(rows, encoded, [self.prompts.random.choice(TEMPERATURES) for _ in rows], self.common)

    def harvest(self) -> None:
        """Keeps what is done and asks those rows something else, or something more."""
        over = self.writer.done.nonzero()[:, 0]
        if len(over) == 0:
            return
        tokens = self.writer.tokens[over].tolist()
        begins, ends = self.writer.prompt_length[over].tolist(), self.writer.position[over].tolist()
        follow_ups = {}
        for row, ids, begin, end in zip(over.tolist(), tokens, begins, ends, strict=True):
            said = ids[begin : end + 1]
            cut = not said or said[-1] not in self.writer.ends.tolist()
            text = self.tokenizer.decode(said if cut else said[:-1]).strip()
            if cut:
                text = whole_sentences(text)
            if len(text) < 2:
                continue
            self.count += len(said)
            *before, prompt = self.turns[row]
            self.lines.append(json.dumps({"before": before, "prompt": prompt, "text": text, "cut": cut}, ensure_ascii=False))
            goes_on = not cut and not before and end < 0.5 * self.length
            if goes_on and self.prompts.random.random() < FOLLOW_UP_SHARE:
                follow_ups[row] = [*self.turns[row], text, self.prompts.random.choice(FOLLOW_UPS)]
        self.ask(over.tolist(), follow_ups)


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ["model", "prepared", "out"]:
        parser.add_argument(name, type=Path)
    parser.add_argument("--minutes", type=float, default=1.3)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--batch", type=int, default=2048)
    parser.add_argument("--length", type=int, default=320)
    arguments = parser.parse_args()
    started = time.monotonic()
    torch.manual_seed(arguments.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    tokenizer = Tokenizer.from_file(str(arguments.prepared / "tokenizer.json"))
    questions = json.loads((arguments.prepared / "questions.json").read_text())
    words = json.loads((Path(__file__).parent / "words.json").read_text())
    ends = [tokenizer.token_to_id(token) for token in ("<|im_end|>", "<|endoftext|>")]
    writer = Writer(arguments.model, arguments.batch, arguments.length, ends, device)
    conversations = Conversations(writer, tokenizer, Prompts(questions, words, arguments.seed))
    conversations.ask(list(range(arguments.batch)), {})
    step = writer.captured()
    while time.monotonic() - started < arguments.minutes * 60:
        for _ in range(STEPS_AT_ONCE):
            step()
        conversations.harvest()
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / f"written-{arguments.seed}.jsonl.xz"
    path.write_bytes(lzma.compress(("\n".join(conversations.lines) + "\n").encode(), preset=1))
    print(f"{path}: {len(conversations.lines):,} texts, {conversations.count:,} tokens, {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
