from django.apps import AppConfig


class ApprovalsConfig(AppConfig):
    name = "approvals"

    def ready(self) -> None:
        from approvals.asked import asked, in_use, used  # noqa: PLC0415  (models must be loaded first)
        from approvals.evidence import evidence  # noqa: PLC0415
        from approvals.mandates import accept as give_mandate  # noqa: PLC0415
        from approvals.publish import accept  # noqa: PLC0415
        from approvals.still import STILL  # noqa: PLC0415
        from audit.exports.evidence import register_evidence  # noqa: PLC0415
        from console.notices.above import register_reviews  # noqa: PLC0415
        from integrations.grantees import PEOPLE, register_grantees, register_past  # noqa: PLC0415
        from integrations.here import GIVE_MANDATE, PUBLISH_POLICY, register_doing  # noqa: PLC0415

        register_evidence(evidence)
        register_reviews(STILL)
        register_doing(PUBLISH_POLICY, accept)
        register_doing(GIVE_MANDATE, give_mandate)
        register_past(asked, used, in_use)
        register_grantees(PEOPLE, lambda team, name: not name)  # every team has them
