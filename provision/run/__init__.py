"""One run of a verb: its ledger, audit log, consent, acknowledgements, and interrupts."""
