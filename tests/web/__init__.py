"""Tests of the web: API, events, pages."""
