"""The contracts' rules, one class for each contract or part of one; ``medshare.model.ledger`` puts them together."""
