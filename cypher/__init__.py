"""Queries as a product: one file a query, its header says what goes in and what comes out."""
