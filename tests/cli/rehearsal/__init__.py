"""Tests of cli/rehearsal."""
