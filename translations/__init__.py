"""Message catalogues of the portal, one folder a language."""
