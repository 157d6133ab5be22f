"""Tests of web/streaming."""
