"""Programs to run: the command line, the simulator, development scripts."""
