"""Data sets that become an input folder: one module a source."""
