"""Connects the payment stand-in, publishes policy and workflows, and starts the run that finds two double charges."""

from pathlib import Path

from approvals.publish import publish_policy
from console.runs.cancel import cancel_run
from console.runs.models import Run
from console.runs.start import start_run
from console.workflows.access import access_version
from console.workflows.publish import publish_workflow
from examples.demo.charges import API_KEY
from examples.demo.people import acting
from integrations.describe import describe_integration, give_grant, store_credential
from integrations.models import Integration

EXAMPLES = Path(__file__).resolve().parent.parent
GRANTED = {
    "billing-care": ["list_charges", "get_charge", "get_customer", "list_refunds", "create_refund"],
    "cancel-subscription": ["get_subscription", "cancel_subscription"],
}


def connect(standin: str, *, admin: str = "mira", api_key: str = API_KEY) -> Integration:
    """The integration as the team's admin would set it up, and each workflow granted just what it needs."""
    actor = acting(admin)
    integration = describe_integration(read("integrations/stripe.yaml"), base_url=standin, actor=actor)
    credential = store_credential(integration, name="billing key", secret=api_key, actor=actor)
    publish_policy(read("policies/demo.yaml"), actor=actor)
    for workflow, operations in GRANTED.items():
        publish_workflow(read(f"workflows/{workflow}.yaml"), actor=actor)
        give_grant(grantee=f"workflow:{workflow}", operations=operations, credential=credential, actor=actor)
    return integration


def begin_run(*, operator: str = "jonas") -> Run:
    actor = acting(operator)
    return start_run(access_version(actor, "billing-care"), inputs={}, actor=actor)


def start_over(standin: str) -> None:
    """After a restart the stand-in is empty: what the old runs were about is gone, so a new one begins."""
    admin, operator = acting("mira"), acting("jonas")
    describe_integration(read("integrations/stripe.yaml"), base_url=standin, actor=admin)
    for run in Run.objects.filter(team=operator.team, state="running"):
        cancel_run(run, actor=operator)
    begin_run()


def read(name: str) -> str:
    return (EXAMPLES / name).read_text()
