#!/bin/bash
# Vitrail Small's third schooling, some 11 minutes with one GPU: bash third.sh TEXT OUT WRITTEN.jsonl.xz…
# TEXT as for prepare.py, WRITTEN as of ../vitrail-small/write. Leaves OUT/third.gguf. Begins with the weights before any tuning and the average after the second.
set -e
text=$1 out=$2; shift 2
cd "$(dirname "$0")"
mkdir -p "$out"
plain=$out/plain.gguf average=$out/average.gguf
git show 4131a7a:models/vitrail-small.gguf > "$plain"
git show b42f1f3:models/vitrail-small.gguf > "$average"

# DATA-TOKENS KNOWN-TOKENS START OUT OPTIONS…: one stage, and the file of what it found
school() {
  local tokens=$1 known=$2 start=$3 run=$4
  shift 4
  [ -e "$run.npz" ] || python prepare.py "$plain" "$text" "$run.npz" --tokens "$tokens" --known "$known" --written "${written[@]}"
  python apart.py "$plain" "$run.npz"
  python train.py "$plain" "$run.npz" "$run" --start "$start" --distilled 0.9 "$@"
  python export.py "$plain" "$run" "$run.gguf" --temperature 0.3
}
written=("$@")
school 60000000 36000000 "$average" "$out/first" --rate 2.5e-4 --spoken-rows 4096 --total-seconds 445 --report-seconds 30
python average.py "$out/between" "$average" 0.4 "$out/first.gguf" 0.6
python export.py "$plain" "$out/between" "$out/between.gguf" --temperature 0.3
school 28000000 21000000 "$out/between.gguf" "$out/third" --rate 4e-4 --known-share 0.625 --spoken-rows 0 --total-seconds 171 --report-seconds 28
