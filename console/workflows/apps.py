from django.apps import AppConfig


class WorkflowsConfig(AppConfig):
    name = "console.workflows"

    def ready(self) -> None:
        from console.workflows.access import is_workflow  # noqa: PLC0415  (models must be loaded first)
        from integrations.grantees import register_grantees  # noqa: PLC0415

        register_grantees("workflow", is_workflow)
