"""Faults of each part of a whole installation, and what its users notice of them."""
