"""One OpenSSH connection: its config, its secrets, its errors, and the commands that ride on it."""
