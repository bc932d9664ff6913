"""Measures the gateway beside a bare mitmdump and the simulator alone; see `scripts/bench`."""
