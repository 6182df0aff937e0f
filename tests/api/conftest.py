from tests.pages.conftest import (
    at_the_office,
    enter,
    furnished,
    held,
    office,
    proxy,
    running_standin,
    standin,
    stranger,
    world,
)

__all__ = ["at_the_office", "enter", "furnished", "held", "office", "proxy", "running_standin", "standin", "stranger",
           "world"]  # fmt: skip
