"""Tests of web/server."""
