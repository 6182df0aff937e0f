"""Runs localstripe on loopback, in memory. A program for the stand-ins' own venv, never imported.

localstripe's own `start()` binds every interface and keeps its data in a pickle at a fixed temporary path
that all instances share: one demo would see another's charges, and loading it runs what somebody put there.
"""

import argparse

from aiohttp import web  # type: ignore[import-not-found]
from localstripe.resources import Store  # type: ignore[import-not-found]
from localstripe.server import app  # type: ignore[import-not-found]


def main() -> None:
    parser = argparse.ArgumentParser(description="localstripe on loopback, in memory")
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    Store.dump_to_disk = lambda store: None
    # aiohttp waits a minute for open connections by default; a stand-in that is told to stop should stop.
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None, shutdown_timeout=1)


if __name__ == "__main__":
    main()
