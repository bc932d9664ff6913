"""The model catalogue: config.json, its checks, and pinned price data."""
