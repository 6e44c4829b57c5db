"""One run on this host: its lock, consent and journal, and the runs before it."""
