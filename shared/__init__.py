"""What the gateway, the portal and the commands have in common."""
