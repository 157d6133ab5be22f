"""Tests of worker/maintenance."""
