"""Tests of worker/extraction."""
