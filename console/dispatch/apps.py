from django.apps import AppConfig


class DispatchConfig(AppConfig):
    name = "console.dispatch"

    def ready(self) -> None:
        from console.dispatch import wakes  # noqa: F401, PLC0415  (connects the receiver; models must be loaded first)
        from console.dispatch.events import waiting_at, woken_by  # noqa: PLC0415
        from integrations.webhooks.woken import register_listeners  # noqa: PLC0415

        register_listeners(woken_by, waiting_at)
