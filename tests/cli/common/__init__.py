"""Tests of cli/common."""
