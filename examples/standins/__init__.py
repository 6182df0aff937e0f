"""Stand-ins for outside services, written by other people and run as programs of their own."""

from pathlib import Path

from examples.environments import Environment

# localstripe is GPL, so it is never installed beside the product: it is started as a program from here.
STANDINS = Environment("standins", Path(__file__).with_name("requirements.txt"))
prepare = STANDINS.prepare
