"""Measurements; each module is a program."""

# Before torch, so that its threads wait for one another as a worker's do.
import worker  # noqa: F401
