"""Tests of shared/store."""
