"""The consortium kit."""
