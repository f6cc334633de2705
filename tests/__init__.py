"""Tests; the folder says what a test needs."""
