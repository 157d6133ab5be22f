"""Tests of shared/volume."""
