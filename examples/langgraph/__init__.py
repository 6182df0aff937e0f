"""A tool of LangGraph that Countersign does, and that is held until people have signed."""
