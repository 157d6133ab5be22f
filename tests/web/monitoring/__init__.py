"""Tests of web/monitoring."""
