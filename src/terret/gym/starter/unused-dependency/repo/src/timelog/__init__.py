"""Hours per project from a log of work."""
