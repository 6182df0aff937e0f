from django.apps import AppConfig


class AgentsConfig(AppConfig):
    name = "console.agents"

    def ready(self) -> None:
        from console.agents.access import is_agent  # noqa: PLC0415  (models must be loaded first)
        from integrations.grantees import register_grantees  # noqa: PLC0415

        register_grantees("agent", is_agent)
