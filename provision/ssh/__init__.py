"""One OpenSSH connection: its config, secrets, errors, and the commands that use it."""
