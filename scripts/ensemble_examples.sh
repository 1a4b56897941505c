#!/usr/bin/env bash
# From one factorisation to an answer, on three sets of real data: many fits from random starts for each number of
# components k, their consensus, and the k that stability and bi-cross-validation choose:
#
#     scripts/ensemble_examples.sh mice        139 samples x 10,172 kinds of bacteria (tests/data), Kullback-Leibler
#     scripts/ensemble_examples.sh bible       1,189 chapters x 4,544 words of the King James Bible, Kullback-Leibler
#     scripts/ensemble_examples.sh fashion     10,000 images of garments, 28 x 28 pixels
#
# writes ensemble_NAME/: the ensemble files, the consensus of the chosen k as a model, and pictures.
#
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

example=${1:-mice}
set --  # for what is sourced below
kl=(--solver mu --beta-loss kullback-leibler)
pictures=()
case $example in
  mice)
    source scripts/build_for_example.sh
    data=tests/data/mouse_microbiome.h5ad
    options=(-k 2:6 --replicates 20 "${kl[@]}" --max-iter 500)
    pictures=(--data "$data" --column diet)
    ;;
  bible)
    source scripts/build_for_example.sh text
    mkdir -p ensemble_bible
    COLUMNS=100000 bible gen1:1-rev22:21 > ensemble_bible/bible.txt
    /usr/bin/python3 scripts/count_words.py ensemble_bible/bible.txt -o ensemble_bible
    data=ensemble_bible/counts.h5ad
    options=(-k 4:16:2 --replicates 20 "${kl[@]}")
    ;;
  fashion)
    source scripts/build_for_example.sh example
    mkdir -p ensemble_fashion
    build/scanmf convert /usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz --dtype float32 \
      -o ensemble_fashion/images.h5
    data=ensemble_fashion/images.h5
    options=(-k 4:12:2 --replicates 20)
    ;;
  *)
    echo "ensemble_examples.sh: unknown example '$example' (mice, bible, fashion)" >&2
    exit 2
    ;;
esac
folder=ensemble_$example
mkdir -p "$folder"

for select in stability bicv; do
  echo "== $example: k by $select"
  mpirun -n 2 build/scanmf ensemble "$data" "${options[@]}" --random-state 0 --select "$select" --quiet \
    --checkpoint "$folder/checkpoint" -o "$folder/$select.h5"
  build/scanmf inspect "$folder/$select.h5" | grep -A 20 '^ *k '
done
build/scanmf select "$folder/stability.h5" -o "$folder/model.h5"
/usr/bin/python3 scripts/plot_ensemble.py "$folder/stability.h5" -o "$folder" "${pictures[@]}"
if [[ $example == mice ]]; then
  /usr/bin/python3 scripts/known_groups.py "$folder/model.h5" "$data" --column diet
fi
