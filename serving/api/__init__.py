"""The HTTP API: thin routes over serving.recommend and serving.explain."""
