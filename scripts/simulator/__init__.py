"""A stand-in for the providers, for trying things out and for tests."""
