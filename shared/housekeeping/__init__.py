"""The leased background process: sweeper and other recurring duties."""
