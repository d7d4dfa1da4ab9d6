"""Use cases, written on ports."""
