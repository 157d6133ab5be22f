"""Tests of Charloom. The tree mirrors the code."""
