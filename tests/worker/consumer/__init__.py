"""Tests of worker/consumer."""
