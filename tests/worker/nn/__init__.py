"""Tests of worker/nn."""
