from django.apps import AppConfig


class HomeConfig(AppConfig):
    name = "console.home"

    def ready(self) -> None:
        # Connects the worker's signals; every Celery process sets up Django first.
        from console.home import health  # noqa: F401, PLC0415  # models may be imported only now
