"""Servers of the Model Context Protocol as systems to call: their tools are operations."""
