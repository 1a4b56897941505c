#!/usr/bin/env bash
# Topics of a text: counts the words of the 1,189 chapters of the King James Bible (Debian package bible-kjv), factors
# the sparse matrix of chapters by words on two ranks, once with the Kullback-Leibler divergence on the counts and once
# by coordinate descent on tf-idf, and prints the words of each topic:
#
#     scripts/bible_topics.sh      writes bible_topics/…
#
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

source scripts/build_for_example.sh text
scanmf=build/scanmf

mkdir -p bible_topics
COLUMNS=100000 bible gen1:1-rev22:21 > bible_topics/bible.txt
/usr/bin/python3 scripts/count_words.py bible_topics/bible.txt -o bible_topics

fit=(mpirun -n 2 "$scanmf" fit --random-state 0 --quiet -k 10)
"${fit[@]}" bible_topics/counts.h5ad --solver mu --beta-loss kullback-leibler --init nndsvda \
  -o bible_topics/kullback-leibler.h5
"${fit[@]}" bible_topics/tfidf.h5ad -o bible_topics/frobenius.h5
for model in kullback-leibler frobenius; do
  echo "== $model"
  "$scanmf" inspect "bible_topics/$model.h5" --json | /usr/bin/python3 scripts/count_words.py --print-topics
done
