"""Tests of shared/requests."""
