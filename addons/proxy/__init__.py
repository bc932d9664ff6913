"""The only code that touches mitmproxy's private classes."""
