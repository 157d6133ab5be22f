"""Tests of worker/monitoring."""
