"""What a model says: answers to a few prompts, how well its stories hang together, and what it knows when it is asked in words that training never saw.

    python answers.py MODEL.gguf OUT.json [--budget 0.5] [--choice]

With a budget, at the widths that the file has for it. With `--choice` only what files are chosen by: the same kinds of requests in words that are of neither
training nor the test, greedy. A GPU makes it quick.
"""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

from basis import of_file
from llama import Cache, Llama, Reduction

SMALL = Path(__file__).resolve().parents[1] / "vitrail-small"
sys.path.insert(1, str(SMALL))
import asked  # noqa: E402
import coherence  # noqa: E402
import facts  # noqa: E402
import sources  # noqa: E402
import tales  # noqa: E402
import visitors  # noqa: E402
from gguf_tokenizer import tokenizer_of  # noqa: E402

PROMPTS = [
    "Tell me a bedtime story about a fox and a bear.",
    "Write a short story about a lighthouse keeper who finds a letter.",
    "Tell me a story about a robot that learns to paint.",
    "Why is the sun important?",
    "What is a volcano?",
    "Hello! Who are you?",
    "Give me three tips for sleeping better.",
    "What is the capital of France?",
    "How do I make a cup of tea?",
    "I feel a bit sad today.",
    "What is 7 plus 5?",
    "How do I grow tomatoes on a balcony?",
    # From here on nothing in the rules of training asks in these words.
    "Please invent a story about two snails and a storm.",
    "Tell me about a little ghost that could not sleep.",
    "Could you say what bees are good for?",
    "Why does the moon change its shape?",
    "What do people use wood for?",
    "Which is bigger, a mouse or a horse?",
    "What can I cook with eggs and tomatoes?",
    "Can you write a few lines about autumn?",
    *facts.HELD_OUT_TALK,
]
LONGEST, LONGEST_STORY, LONGEST_FACT = 256, 320, 32
Say = Callable[[list[list[str]], int, float], list["Answer"]]
"""Of chats, that long at most, at this temperature."""
TEMPERATURES = (0.0, 0.3, 0.7)
RECOMMENDED = 0.3


@dataclass(frozen=True)
class Answer:
    text: str
    is_whole: bool
    """It ended by itself."""


@torch.no_grad()
def answers(model: Llama, tokenizer: Tokenizer, reductions: list[Reduction] | None, chats: list[list[str]], longest: int, temperature: float) -> list[Answer]:
    """What it says next. Greedy at 0. All rows go on token by token, each from where its prompt ends."""
    encoded = [tokenizer.encode(sources.chat(turns) + f"{sources.START}assistant\n").ids for turns in chats]
    ends = torch.tensor([tokenizer.token_to_id(end) for end in (sources.END, sources.END_TOKEN)], device=model.device)
    begins = torch.tensor([len(row) for row in encoded], device=model.device)
    length = int(begins.max()) + longest
    tokens = torch.zeros(len(encoded), length, dtype=torch.long, device=model.device)
    for row, ids in zip(tokens, encoded, strict=True):
        row[: len(ids)] = torch.tensor(ids)
    generator = torch.Generator(model.device).manual_seed(1)
    cache, turns = Cache(model.shape, len(encoded), length, model.device, model.dtype), model.rotation(length)
    stops = torch.full_like(begins, length)
    for position in range(length - 1):
        x = model.embed(tokens[:, position : position + 1])
        for layer in range(model.shape.layers):
            x = model.layer(layer, x, turns[:, :, position : position + 1], reductions[layer] if reductions else None, cache)
        cache.length += 1
        drawn = _drawn(model.logits(model.norm(x, "output_norm.weight"))[:, 0], temperature, generator)
        is_answer = position + 1 >= begins
        tokens[:, position + 1] = torch.where(is_answer, drawn, tokens[:, position + 1])
        stops = torch.where(is_answer & torch.isin(drawn, ends), stops.clamp(max=position + 1), stops)
        if position % 16 == 0 and bool((stops <= position).all()):
            break
    spans = zip(tokens.tolist(), begins.tolist(), stops.tolist(), strict=True)
    return [Answer(tokenizer.decode(row[begin : min(stop, begin + longest)]).strip(), stop <= begin + longest) for row, begin, stop in spans]


def _drawn(logits: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    if temperature == 0:
        return logits.argmax(-1)
    return torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator)[:, 0]


def _asked(say: Say, questions: list[tuple[str, str, str]], temperature: float) -> dict[str, float]:
    """Shares of right answers by kind of question."""
    said = say([[question] for _, question, _ in questions], LONGEST_STORY // 4, temperature)
    right: dict[str, list[bool]] = {}
    for (kind, _, wanted), answer in zip(questions, said, strict=True):
        right.setdefault(kind, []).append(asked.is_list_of(answer.text, wanted, 3) if kind == "lists" else wanted.lower() in answer.text.lower())
    return {kind: sum(own) / len(own) for kind, own in right.items()}


def _told(say: Say, requests: list[tales.Asked], temperature: float) -> tuple[list[str], dict[str, float]]:
    """Stories, and shares of those without this fault or that."""
    told = say([[own.request] for own in requests], LONGEST_STORY, temperature)
    judgements = [coherence.judged(own, story.text, story.is_whole) for own, story in zip(requests, told, strict=True)]
    return [story.text for story in told], coherence.rates(judgements)


def _known(say: Say, questions: list[tuple[str, str]], temperature: float) -> tuple[float, dict[str, str]]:
    """The share of facts that are right, and the answers that are not."""
    said = say([[question] for question, _ in questions], LONGEST_FACT, temperature)
    wrong = {question: answer.text for answer, (question, fact) in zip(said, questions, strict=True) if fact.lower() not in answer.text.lower()}
    return 1 - len(wrong) / len(questions), wrong


def _visited(say: Say, half: str, temperature: float) -> tuple[dict[str, float], dict[str, str]]:
    """Shares of right answers to what visitors say, by kind and of all, and the answers."""
    visits = [*visitors.visits(half)]
    chats = [visit.messages[:1] for visit in visits]
    first = say(chats, LONGEST_STORY, temperature)
    further = [[visit.messages[0], answer.text, *visit.messages[1:]] for visit, answer in zip(visits, first, strict=True) if len(visit.messages) > 1]
    second = iter(say(further, LONGEST_STORY, temperature))
    last = [next(second) if len(visit.messages) > 1 else answer for visit, answer in zip(visits, first, strict=True)]
    right: dict[str, list[bool]] = {}
    for visit, answer in zip(visits, last, strict=True):
        right.setdefault(visit.kind, []).append(visit.is_answered(answer.text))
    every = [own for kind in right.values() for own in kind]
    rates = {"all": sum(every) / len(every)} | {kind: sum(own) / len(own) for kind, own in right.items()}
    return rates, {" / ".join(visit.messages): answer.text for visit, answer in zip(visits, last, strict=True)}


def chosen_by(say: Say) -> dict:
    """Figures to choose a file by, none of which is reported of it."""
    return {"stories": _told(say, list(tales.choice()), 0.0)[1], **_asked(say, list(asked.choice()), 0.0), "facts": _known(say, list(facts.choice()), 0.0)[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--budget", type=float)
    parser.add_argument("--choice", action="store_true")
    arguments = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model, tokenizer = Llama(arguments.model, device, torch.float32), tokenizer_of(arguments.model)
    reductions = None
    if arguments.budget:
        bases, widths = of_file(arguments.model, model)
        reductions = bases.reductions(widths[arguments.budget])
    say = partial(answers, model, tokenizer, reductions)
    if arguments.choice:
        found = chosen_by(say)
        print(found, flush=True)
    else:
        found = _all_of(say)
    arguments.out.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _fresh(say: Say) -> dict[str, float]:
    """Shares of right answers of the second test."""
    return {**_asked(say, list(asked.fresh()), 0.0), "facts": _known(say, list(facts.fresh()), 0.0)[0]}


def _all_of(say: Say) -> dict:
    found: dict = {}
    for temperature in TEMPERATURES:
        said = [answer.text for answer in say([[prompt] for prompt in PROMPTS], LONGEST, temperature)]
        found[f"temperature {temperature}"] = dict(zip(PROMPTS, said, strict=True))
        for prompt, answer in zip(PROMPTS, said, strict=True):
            print(f"[{temperature}] {prompt}\n    {answer}", flush=True)
    requests = list(tales.held_out())
    found["stories"], found["told"] = {}, {}
    for temperature in TEMPERATURES:
        told, rates = _told(say, requests, temperature)
        found["stories"][f"temperature {temperature}"] = rates
        print(temperature, rates, flush=True)
        if temperature == RECOMMENDED:
            found["told"] = {own.request: story for own, story in zip(requests[:12], told, strict=False)}
    for temperature in (0.0, RECOMMENDED):
        found[f"asked at {temperature}"] = _asked(say, list(asked.held_out()), temperature)
        print(temperature, found[f"asked at {temperature}"], flush=True)
    for half in visitors.HALVES:
        for temperature in (0.0, RECOMMENDED):
            name = f"visitors, {half} half, at {temperature}"
            found[name], said = _visited(say, half, temperature)
            print(name, found[name], flush=True)
            if temperature == RECOMMENDED:
                found[f"said to visitors, {half} half"] = said
    found["fresh"] = _fresh(say)
    print("in fresh words", found["fresh"], flush=True)
    questions = list(facts.held_out())
    found[f"facts at {RECOMMENDED}"], _ = _known(say, questions, RECOMMENDED)
    found["facts"], found["wrong"] = _known(say, questions, 0.0)
    print(f"{len(questions)} facts in words not seen before: {found['facts']:.3f}, {found[f'facts at {RECOMMENDED}']:.3f} at {RECOMMENDED}", flush=True)
    return found


if __name__ == "__main__":
    main()
