from tests.pages.conftest import enter, held, office, running_standin, standin, stranger, world

__all__ = ["enter", "held", "office", "running_standin", "standin", "stranger", "world"]
