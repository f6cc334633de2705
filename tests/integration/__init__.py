"""Tests that need a graph server."""
