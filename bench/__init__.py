"""Measurements: each module measures one thing, prints a table and writes JSON. Nothing here is part of the product."""
