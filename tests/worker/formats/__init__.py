"""Tests of worker/formats."""
