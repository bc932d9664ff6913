"""Pools of what upstreams are reached with, as one worker has them in memory."""
