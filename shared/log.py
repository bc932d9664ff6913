"""Logging: one format, secrets redacted."""
