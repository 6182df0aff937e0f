import gc

from django.apps import AppConfig
from django.conf import settings


class HomeConfig(AppConfig):
    name = "console.home"

    def ready(self) -> None:
        # Connects the worker's signals; every Celery process sets up Django first.
        from console.home import health  # noqa: F401, PLC0415  # models may be imported only now
        from console.home.posting import post  # noqa: PLC0415
        from console.notices.above import register_post  # noqa: PLC0415

        register_post(post)
        if settings.PROCESS in settings.SERVING:
            look_for_garbage_less_often()


def look_for_garbage_less_often() -> None:
    """What is loaded by now stays for good, and an act makes some ten thousand objects that live shortly: looking
    through them a dozen times holds up whoever waits for it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
