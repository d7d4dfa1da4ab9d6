"""The pure model: ids, records, purposes, consent and the ledger's rules. No I/O; time is an argument."""
