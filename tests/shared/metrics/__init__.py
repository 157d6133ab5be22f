"""Tests of shared/metrics."""
