"""The demo's second story: an access policy for a user, in the stand-in for access management."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx

from console.core.clock import now
from console.core.sigv4 import Signer, sign
from console.runs.models import Run
from console.runs.start import start_run
from console.workflows.access import access_version
from console.workflows.publish import publish_workflow
from examples.demo.people import acting
from examples.demo.seed import read
from integrations.describe import describe_integration, give_grant, store_credential
from integrations.models import Integration

# The stand-in takes any key.
KEY = {"access_key_id": "AKIADEMOCONSOLE00001", "secret_access_key": "a-key-of-the-demo-that-opens-nothing/1"}
SIGNER = Signer(KEY["access_key_id"], KEY["secret_access_key"], "us-east-1", "iam")
WORKFLOW = "grant-access"
GRANTED = ["get_user", "get_policy", "list_attached_user_policies", "attach_user_policy"]
WAY_BACK = ["get_user", "list_attached_user_policies", "detach_user_policy"]
USER = "linnea.berg"
POLICIES = {"reports-read": "Read the monthly reports", "payouts-operate": "Start and stop batches of payouts"}
ARN = "arn:aws:iam::123456789012:policy/{}"  # the stand-in has one account
HELD, WANTED = (ARN.format(name) for name in POLICIES)
DOCUMENT = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "demo:*", "Resource": "*"}]}'
INPUTS = {"user": USER, "policy": WANTED, "reason": "Linnéa takes over the payouts on Monday."}


def seed_access(base_url: str) -> None:
    """Make what is missing: a user with one policy, and the policy that the workflow will propose."""
    ask(base_url, "CreateUser", UserName=USER)
    for name, description in POLICIES.items():
        ask(base_url, "CreatePolicy", PolicyName=name, Description=description, PolicyDocument=DOCUMENT)
    ask(base_url, "AttachUserPolicy", UserName=USER, PolicyArn=HELD)


def attached(base_url: str) -> list[str]:
    """The ARNs of the user's policies: what tests look at to show that an effect happened."""
    answer = ask(base_url, "ListAttachedUserPolicies", UserName=USER)
    rows = answer["ListAttachedUserPoliciesResponse"]["ListAttachedUserPoliciesResult"]["AttachedPolicies"]
    return sorted(row["PolicyArn"] for row in rows)


def ask(base_url: str, action: str, **fields: str) -> Mapping[str, Any]:
    """What is there already stays as it is."""
    body = urlencode({"Action": action, "ContentType": "JSON", "Version": "2010-05-08", **fields}).encode()
    headers = {"host": urlsplit(base_url).netloc, "content-type": "application/x-www-form-urlencoded"}
    signed = sign(SIGNER, "POST", "/", "", headers, body, now=now())
    answer = httpx.post(base_url, content=body, headers={**headers, **signed}, timeout=10, trust_env=False)
    if answer.status_code == httpx.codes.CONFLICT:
        return {}
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def connect_access(standin: str, *, admin: str = "mira") -> Integration:
    """As the team's admin would set it up, with one workflow granted just what it needs; again, only where it is."""
    actor = acting(admin)
    known = Integration.objects.filter(team_id=actor.team, slug="iam").exists()
    integration = describe_integration(read("integrations/iam.yaml"), base_url=standin, actor=actor)
    if known:
        return integration
    credential = store_credential(integration, name="access key", secret=KEY, actor=actor)
    give_grant(grantee=f"workflow:{WORKFLOW}", operations=GRANTED, credential=credential, actor=actor)
    give_grant(grantee="people", operations=WAY_BACK, credential=credential, actor=actor)
    publish_workflow(read(f"workflows/{WORKFLOW}.yaml"), actor=actor)
    return integration


def begin_access_run(*, operator: str = "jonas") -> Run:
    actor = acting(operator)
    return start_run(access_version(actor, WORKFLOW), inputs=INPUTS, actor=actor)
