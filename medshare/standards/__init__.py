"""Medical standards at the edges."""
