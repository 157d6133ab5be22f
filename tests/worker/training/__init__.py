"""Tests of worker/training."""
