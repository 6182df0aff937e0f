"""A tool of the OpenAI Agents SDK that the agent runs itself, once people have signed it."""
