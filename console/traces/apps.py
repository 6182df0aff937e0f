from django.apps import AppConfig
from django.conf import settings


class TracesConfig(AppConfig):
    name = "console.traces"

    def ready(self) -> None:
        from console.accounts.signals import user_deactivated  # noqa: PLC0415  (models must be loaded first)
        from console.traces.live import end_sockets  # noqa: PLC0415  (the same)

        user_deactivated.connect(end_sockets, dispatch_uid="traces.end_sockets")
        if settings.PROCESS == "door":
            from console.traces.telemetry import export_to_rows  # noqa: PLC0415  (models must be loaded first)

            export_to_rows()
