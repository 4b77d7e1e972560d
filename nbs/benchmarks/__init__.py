"""The benchmark notebooks, installed as `droughtal.benchmarks` so that the command line works without a checkout."""
