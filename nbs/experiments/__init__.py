"""The experiment notebooks, installed as `droughtal.notebooks` so that the command line works without a checkout."""
