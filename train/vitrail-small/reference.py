"""Computes exact answers of an exported file, which the runtime's tests compare with.

    python reference.py vitrail-small.gguf vitrail-small.reference.json

Everything runs in double precision on the dequantized weights. The first entry is teacher-forced: for each position of
a text the ids and log-probabilities of the best next tokens. The others are greedy continuations.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer

from export import load_gguf
from model import Decoder, rope_table

sys.path.insert(1, str(Path(__file__).parent / "write"))
from gguf_tokenizer import tokenizer_of  # noqa: E402

TEXT = (
    "I had been waiting for some time in the hall when the door was opened, and a tall man, whom I had never seen "
    'before, came slowly down the stairs with a candle in his hand. "You are late," he said; "but there is no harm '
    'done. My master is still in the library, and he will be glad to see you."'
)
TEXT_TOKENS = 64
TOP = 5
PROMPTS = [
    "<|im_start|>user\nTell me a short story about a bear.<|im_end|>\n<|im_start|>assistant\n",
    "The pass key is 48213. Remember it. 48213 is the pass key. The grass is green. The sky is blue.\nWhat is the pass key? The pass key is",
]
GREEDY_TOKENS = 48
DECIMALS = 6


def teacher_forced(model: Decoder, tokenizer: Tokenizer) -> dict:
    tokens = tokenizer.encode(TEXT).ids[:TEXT_TOKENS]
    if len(tokens) < TEXT_TOKENS:
        raise ValueError(f"the text has {len(tokens)} tokens, {TEXT_TOKENS} are needed")
    logprobs = model(torch.tensor([tokens]))[0][0].log_softmax(-1)
    top = logprobs.topk(TOP, dim=-1)
    next_logprobs = logprobs[:-1].gather(1, torch.tensor(tokens[1:])[:, None])
    return {
        "what": "teacher-forced",
        "tokens": tokens,
        "top": top.indices.tolist(),
        "logprobs": [[round(value, DECIMALS) for value in row] for row in top.values.tolist()],
        "meanLogprob": next_logprobs.mean().item(),
    }


def greedy(model: Decoder, tokenizer: Tokenizer, prompt: str) -> dict:
    tokens = tokenizer.encode(prompt).ids
    ids: list[int] = []
    margins: list[float] = []
    for _ in range(GREEDY_TOKENS):
        best = model(torch.tensor([tokens + ids]))[0][0, -1].topk(2)
        ids.append(int(best.indices[0]))
        margins.append(float(best.values[0] - best.values[1]))
    return {
        "what": "greedy",
        "prompt": prompt,
        "tokens": tokens,
        "ids": ids,
        "smallestMargin": min(margins),
        "text": tokenizer.decode(ids, skip_special_tokens=False),
    }


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ["gguf", "out"]:
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    model = load_gguf(arguments.gguf).double()
    model.rotation = rope_table(model.config, torch.float64)
    tokenizer = tokenizer_of(arguments.gguf)
    answers = [teacher_forced(model, tokenizer), *(greedy(model, tokenizer, prompt) for prompt in PROMPTS)]
    arguments.out.write_text(json.dumps(answers) + "\n", encoding="utf-8")
    for answer in answers[1:]:
        print(f"{answer['prompt']}|{answer['text']}\nsmallest margin {answer['smallestMargin']:.4f}")


if __name__ == "__main__":
    main()
