"""The figures of an evaluation as Markdown.

    python table.py evaluation.json DATA.npz
"""

import json
import sys
from pathlib import Path

import numpy as np

FORMS = {"mkv": "MatryoshkaKV", "pca": "principal components"}
BUDGETS = {"75": "75 %", "50": "50 %", "37_5": "37.5 %", "25": "25 %"}


def main() -> None:
    found = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    with np.load(sys.argv[2]) as data:
        bytes_a_token = int(data["books_bytes"]) / (data["books"].size - len(data["books"]))
    whole = found["whole"]
    lengths = [name.removeprefix("passKeys") for name in whole if name.startswith("passKeys")]

    def row(name: str, figures: dict[str, float]) -> str:
        ratio = 2 ** ((figures["booksBitsPerByte"] - whole["booksBitsPerByte"]) * bytes_a_token)
        keys = " / ".join(f"{100 * figures[f'passKeys{length}']:.0f}" for length in lengths)
        return (
            f"| {name} | {figures['booksBitsPerByte']:.3f} | {ratio:.2f} | {figures['wikitext2BitsPerByte']:.3f} | {keys} "
            f"| {100 * figures['hellaswagAccuracyNorm']:.1f} |"
        )

    print(f"| cache | books, bits a byte | perplexity × | wikitext2-test | pass keys at {' / '.join(lengths)}, % | HellaSwag, % |")
    print("| --- | --- | --- | --- | --- | --- |")
    print(row("as it was", found["before"]))
    print(row("whole", whole))
    for key, budget in BUDGETS.items():
        for form, name in FORMS.items():
            if f"{form}{key}" in found:
                print(row(f"{budget}, {name}", found[f"{form}{key}"]))


if __name__ == "__main__":
    main()
