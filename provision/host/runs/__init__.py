"""One run on this host: its locks, its consent, its journal, and the runs before it."""
