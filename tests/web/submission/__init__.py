"""Tests of web/submission."""
