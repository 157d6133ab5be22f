"""Tests of worker/webhooks."""
