"""Tests of web/openapi."""
