"""The web portal: Flask, server-rendered."""
