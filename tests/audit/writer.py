"""Writes records as fast as it can, in four threads, and notes each that was committed: `writer.py FILE`.

What a crash makes uncertain is not noted: whether it is in the log or not, both are right.
"""

import sys
import threading

import django
from django.db import Error, connection, transaction

django.setup()

from audit.record import record  # noqa: E402
from audit.vocabulary import Kind  # noqa: E402
from console.core.actor import system  # noqa: E402


def write(noted: list[str], number: int) -> None:
    count = 0
    while True:
        count += 1
        try:
            with transaction.atomic():
                identity = record(Kind.PAGE_READ, subject=f"writer {number}", actor=system("tests"),
                                  detail={"count": count})  # fmt: skip
        except Error:
            connection.close()
            continue
        noted.append(str(identity))


def main(path: str) -> None:
    noted: list[str] = []
    for number in range(4):
        threading.Thread(target=write, args=(noted, number), daemon=True).start()
    sys.stdout.write("writing\n")
    sys.stdout.flush()
    sys.stdin.read()  # until whoever started it closes it
    with open(path, "w") as file:  # noqa: PTH123
        file.write("\n".join(list(noted)))


if __name__ == "__main__":
    main(sys.argv[1])
