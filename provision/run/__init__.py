"""One run of a verb: its ledger, its audit, its consent, and how it is interrupted."""
