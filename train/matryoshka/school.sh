#!/bin/bash
# A fourth schooling of Vitrail Small, some five minutes with one GPU: bash school.sh TEXT OUT
# TEXT as for prepare.py. Leaves OUT/fourth.gguf, and OUT/dense/log-settled.csv of a control with all heads on. Begins with the weights after the third,
# whose script is `git show 4fffb90:train/matryoshka/third.sh`.
set -e
text=$1 out=$2
cd "$(dirname "$0")"
mkdir -p "$out"
start=$out/third.gguf data=$out/data.npz
git show e9e8030:models/vitrail-small.gguf > "$start"
[ -e "$data" ] || python prepare.py "$start" "$text" "$data" --tokens 45000000 --known 15000000 --seed 13
python apart.py "$start" "$data"
# OUT OPTIONS…: the weights to begin with are the teacher, too
school() {
  python train.py "$start" "$data" "$@" --start "$start" --known-share 0.5 --spoken-rows 0 --distilled 0.9 --rate 4e-4 --total-seconds 246 --report-seconds 29
}
school "$out/fourth"
python export.py "$start" "$out/fourth" "$out/fourth.gguf"
# Its first steps at the same rates, not to the end.
school "$out/dense" --dense --stop-seconds 47 --no-report
