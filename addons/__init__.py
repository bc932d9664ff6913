"""The gateway: mitmproxy addons that authenticate, route, meter and bill."""
