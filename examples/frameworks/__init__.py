"""Frameworks that run tools by themselves, and how their tools are held: for reading, and run as programs of their own."""

from pathlib import Path

from examples.environments import Environment

FRAMEWORKS = Environment("frameworks", Path(__file__).with_name("requirements.txt"))
prepare = FRAMEWORKS.prepare
