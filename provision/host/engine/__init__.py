"""Docker itself: its daemon, its service, its API and its containers."""
