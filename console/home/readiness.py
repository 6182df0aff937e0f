"""Whether the port is free for us, and whether the product behind it is ready."""

import contextlib
import errno
import json
import socket
from http.client import HTTPConnection, HTTPException


def port_is_busy(port: int) -> bool:
    """On either address that `localhost` may mean: a browser that tries ::1 first would meet the other."""
    return any(
        address_is_busy(family, host, port)
        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
    )


def address_is_busy(family: socket.AddressFamily, host: str, port: int) -> bool:
    try:
        with socket.socket(family) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind((host, port))
    except OSError as error:
        return error.errno == errno.EADDRINUSE  # anything else: no such address on this machine
    return False


def free_port() -> int:
    """One that was free a moment ago; another program may take it first."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def health(port: int) -> dict[str, bool]:
    """What /healthz says of each process; `web` alone, and false, until it answers 200 with a JSON object."""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    with contextlib.closing(connection):
        try:
            connection.request("GET", "/healthz", headers={"Host": f"localhost:{port}"})
            response = connection.getresponse()
            found = json.loads(response.read())
        except (OSError, HTTPException, ValueError):
            return {"web": False}
    if not isinstance(found, dict):
        return {"web": False}
    return {"web": response.status == 200, **{str(name): value is True for name, value in found.items()}}
