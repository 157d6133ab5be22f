"""Tests of worker/generation."""
