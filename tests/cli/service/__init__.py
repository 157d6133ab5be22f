"""Tests of cli/service."""
