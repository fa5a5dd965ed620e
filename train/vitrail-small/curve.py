"""Draws bits per byte over the steps, with Mixture-of-Head attention and without.

    python curve.py log.csv log-dense.csv loss-curve.png
"""

import csv
import sys

import matplotlib.pyplot as plt


def rows(path: str) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return [row for row in csv.DictReader(file) if row["step"] != "0"]


def main() -> None:
    moh, dense, out = sys.argv[1:]
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for path, label in [(moh, "Mixture-of-Head, 6 of 8 heads"), (dense, "dense twin")]:
        log = rows(path)
        axes.plot([int(row["step"]) for row in log], [float(row["validation_bpb_q4_0"]) for row in log], label=label)
    axes.set(xlabel="step", ylabel="bits per byte through Q4_0, validation books", title="Vitrail Small", ylim=(1.35, 1.8))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(out, dpi=100)


if __name__ == "__main__":
    main()
