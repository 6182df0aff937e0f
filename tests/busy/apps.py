from django.apps import AppConfig


class BusyConfig(AppConfig):
    name = "tests.busy"

    def ready(self) -> None:
        from tests.busy.kind import install

        install()
