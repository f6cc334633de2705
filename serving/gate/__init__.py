"""The gate before publishing: data, quality, lists and reasons of a new model, line by line; nothing worse passes."""
