#!/usr/bin/env bash
# A sweep on all GPUs of this machine: a worker for each GPU, one run at a time on each. Takes the flags of
# `droughtal sweep`. GPUS="0 2 3" selects some of the GPUs.
set -euo pipefail

GPUS=${GPUS:-$(nvidia-smi --query-gpu=index --format=csv,noheader | tr '\n' ' ')}
folder=$(mktemp -d)

stop() {  # scheduler and workers have five seconds to end by themselves
    kill $(jobs -p) 2>/dev/null || true
    for _ in 1 2 3 4 5; do [ -z "$(jobs -pr)" ] && break; sleep 1; done
    kill -9 $(jobs -pr) 2>/dev/null || true
    rm -rf "$folder"
}
trap stop EXIT

dask scheduler --host 127.0.0.1 --port 0 --scheduler-file "$folder/scheduler.json" --no-dashboard 2>"$folder/scheduler.log" &
for gpu in $GPUS; do
    CUDA_VISIBLE_DEVICES=$gpu dask worker --scheduler-file "$folder/scheduler.json" --nthreads 1 --resources GPU=1 \
        --memory-limit 0 --no-dashboard --local-directory "$folder" 2>"$folder/worker-$gpu.log" &
done
until [ -s "$folder/scheduler.json" ]; do sleep 0.2; done
address=$(python -c 'import json, sys; print(json.load(open(sys.argv[1]))["address"])' "$folder/scheduler.json")

droughtal sweep --scheduler "$address" --resources GPU=1 "$@"
