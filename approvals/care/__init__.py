"""Keeping those who sign awake: what they have to look at first, how they look, and who looks again afterwards."""
