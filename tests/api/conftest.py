from tests.pages.conftest import enter, held, office, proxy, running_standin, standin, stranger, world

__all__ = ["enter", "held", "office", "proxy", "running_standin", "standin", "stranger", "world"]
