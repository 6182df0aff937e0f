"""Whether an agent may ask once more for what it was not given. Pure."""

# Of all codes that the outcome of an action can have. Each other one is a person's or the policy's answer, a mistake of
# whoever asks, or something that an admin has to look at first: asking the same again would end the same.
AGAIN = frozenset({
    "approval_expired", "deferred_too_long", "description_changed", "expired", "facts_changed", "halted",
    "mandate_ended", "policy_changed", "precondition_changed", "precondition_unreadable", "throttled",
    "did_not_happen", "not_sent", "unknown", "unreachable",
})  # fmt: skip


def may_ask_again(code: str) -> bool:
    """As a new request. What this does not know is not asked for again."""
    return code in AGAIN
