"""Pure readers of the provider dialects: SSE, requests, usage, errors. No I/O."""
