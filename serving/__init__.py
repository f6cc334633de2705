"""The processes: HTTP API, jobs and the command line."""
