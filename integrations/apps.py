from django.apps import AppConfig


class IntegrationsConfig(AppConfig):
    name = "integrations"

    def ready(self) -> None:
        from integrations.here import OPEN_CREDENTIAL, register_doing  # noqa: PLC0415  (models must be loaded first)
        from integrations.openings import open_for_asker  # noqa: PLC0415

        register_doing(OPEN_CREDENTIAL, open_for_asker)
