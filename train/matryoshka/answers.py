"""What a model says: answers to a few prompts, and how many plain facts it knows when they are asked in words that training never saw.

    python answers.py MODEL.gguf OUT.json [--budget 0.5]

With a budget, at the widths that the file has for it. A GPU makes it quick.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

from basis import Bases
from budgets import percent
from llama import Llama, Reduction, read_gguf

SMALL = Path(__file__).resolve().parents[1] / "vitrail-small"
sys.path.insert(1, str(SMALL))
import facts  # noqa: E402
import sources  # noqa: E402
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
    # From here on nothing in the rules of training asks in these words.
    "Please invent a story about two snails and a storm.",
    "Tell me about a little ghost that could not sleep.",
    "Could you say what bees are good for?",
    "Why does the moon change its shape?",
    "What do people use wood for?",
    "Which is bigger, a mouse or a horse?",
    "What can I cook with eggs and tomatoes?",
    "How do I grow tomatoes on a balcony?",
    "Can you write a few lines about autumn?",
    *facts.HELD_OUT_TALK,
]
LONGEST, LONGEST_FACT = 160, 32
TEMPERATURES = (0.0, 0.7)


@torch.no_grad()
def answers(model: Llama, tokenizer: Tokenizer, reductions: list[Reduction] | None, prompts: list[str], longest: int, temperature: float) -> list[str]:
    """Greedy at 0. Every step computes the whole rows: there is no cache here that is narrow."""
    encoded = [tokenizer.encode(sources.chat([prompt]) + f"{sources.START}assistant\n").ids for prompt in prompts]
    ends = torch.tensor([tokenizer.token_to_id(end) for end in (sources.END, sources.END_TOKEN)], device=model.device)
    lengths = torch.tensor([len(row) for row in encoded], device=model.device)
    begins = lengths.tolist()
    tokens = torch.zeros(len(encoded), max(begins) + longest, dtype=torch.long, device=model.device)
    for row, ids in zip(tokens, encoded, strict=True):
        row[: len(ids)] = torch.tensor(ids)
    generator = torch.Generator(model.device).manual_seed(1)
    rows, done = torch.arange(len(encoded), device=model.device), torch.zeros(len(encoded), dtype=torch.bool, device=model.device)
    for _ in range(longest):
        states = model.states(tokens[:, : int(lengths.max())], reductions)
        logits = model.logits(states[rows, lengths - 1])
        drawn = _drawn(logits, temperature, generator)
        done |= torch.isin(drawn, ends)
        tokens[rows, lengths] = torch.where(done, tokens[rows, lengths], drawn)
        lengths += ~done
    spans = zip(tokens.tolist(), begins, lengths.tolist(), strict=True)
    return [tokenizer.decode(row[begin:end]).strip() for row, begin, end in spans]


def _drawn(logits: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    if temperature == 0:
        return logits.argmax(-1)
    return torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator)[:, 0]


def reductions_of(path: Path, model: Llama, budget: float) -> list[Reduction]:
    metadata, arrays = read_gguf(path)
    keys, mean = (
        torch.stack([torch.tensor(arrays[f"blk.{layer}.{name}.weight"]) for layer in range(model.shape.layers)]).float().to(model.device)
        for name in ("attn_k_basis", "attn_v_mean")
    )
    widths = torch.tensor(metadata[f"vitrail.matryoshka.widths.{percent(budget)}"], device=model.device)
    eighths = widths.view(model.shape.layers, 2, model.shape.kv_heads) * 8 // model.shape.head_dim
    return Bases(keys, mean).reductions(eighths)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--budget", type=float)
    arguments = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model, tokenizer = Llama(arguments.model, device, torch.float32), tokenizer_of(arguments.model)
    reductions = reductions_of(arguments.model, model, arguments.budget) if arguments.budget else None
    found: dict = {}
    for temperature in TEMPERATURES:
        said = answers(model, tokenizer, reductions, PROMPTS, LONGEST, temperature)
        found[f"temperature {temperature}"] = dict(zip(PROMPTS, said, strict=True))
        for prompt, answer in zip(PROMPTS, said, strict=True):
            print(f"[{temperature}] {prompt}\n    {answer}", flush=True)
    asked = list(facts.held_out())
    said = answers(model, tokenizer, reductions, [question for question, _ in asked], LONGEST_FACT, 0.0)
    right = [fact.lower() in answer.lower() for answer, (_, fact) in zip(said, asked, strict=True)]
    found["facts"] = sum(right) / len(right)
    found["wrong"] = {question: answer for answer, (question, _), is_right in zip(said, asked, right, strict=True) if not is_right}
    arguments.out.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"facts in words not seen before: {sum(right)} of {len(right)}", flush=True)


if __name__ == "__main__":
    main()
