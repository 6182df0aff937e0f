"""How our own loops end."""

import signal
import threading


def until_stopped() -> threading.Event:
    """Set by SIGTERM or SIGINT."""
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    return stop
