"""Crash-safe settlement: journal, flusher, recovery, verification."""
