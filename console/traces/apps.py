from django.apps import AppConfig
from django.conf import settings


class TracesConfig(AppConfig):
    name = "console.traces"

    def ready(self) -> None:
        if settings.PROCESS == "door":
            from console.traces.telemetry import export_to_rows  # noqa: PLC0415  (models must be loaded first)

            export_to_rows()
