"""Frameworks that run tools by themselves, in an environment of their own, and what their wrappers have in common."""

from pathlib import Path

from examples.environments import Environment

FRAMEWORKS = Environment("frameworks", Path(__file__).with_name("requirements.txt"))
prepare = FRAMEWORKS.prepare
