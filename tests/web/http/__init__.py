"""Tests of web/http."""
