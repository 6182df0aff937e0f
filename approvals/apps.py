from django.apps import AppConfig


class ApprovalsConfig(AppConfig):
    name = "approvals"

    def ready(self) -> None:
        from approvals.evidence import evidence  # noqa: PLC0415  (models must be loaded first)
        from audit.exports.evidence import register_evidence  # noqa: PLC0415

        register_evidence(evidence)
