"""Secrets in plain text: find them in files, and read them from inventories, vaults and tables."""
