"""Which defences the tests of this folder stand for: a row names a test, and what of the product is replaced by what of
`away`, by its path. Then the test has to fail.

Several replacements in one row are defences behind one another: with only one of them away, the test still passes.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    test: str
    away: Mapping[str, str]

    @property
    def mode(self) -> str:
        return self.test.split("_")[1]


ROWS: dict[str, Row] = {
    "a: the digest covers the content": Row(
        "test_a_approval_is_bound_to_content_not_to_a_name",
        {"approvals.digests.action_document": "only_the_name"},
    ),
    "a: what was proposed is attested, and a decision says which digest it is for": Row(
        "test_a_approval_is_bound_to_content_not_to_a_name",
        {"approvals.authority.verify": "nothing", "approvals.authority._verify_decision": "whoever_signed"},
    ),
    "b: bytes can be read in one way": Row(
        "test_b_different_things_never_have_one_digest",
        {"console.core.canonical.jcs": "joined"},
    ),
    "b: what is stored otherwise is not taken": Row(
        "test_b_a_number_that_somebody_would_read_as_another_is_not_taken",
        {"approvals.propose.check_carried": "nothing"},
    ),
    "c: a payload is known again by our own signature": Row(
        "test_c_what_a_client_says_of_the_state_counts_for_nothing",
        {"approvals.signoff.read_prepared": "as_it_came"},
    ),
    "d: a policy is checked as a whole": Row(
        "test_d_a_misspelt_policy_is_not_published",
        {"approvals.publish.parse": "as_written"},
    ),
    "d: an error asks a person": Row(
        "test_d_whatever_is_wrong_with_a_policy_nothing_passes_by_it",
        {"approvals.policies.decide._unclear": "allowed"},
    ),
    "d: code stands above every policy": Row(
        "test_d_whatever_is_wrong_with_a_policy_nothing_passes_by_it",
        {"approvals.policies.decide._above_policy": "as_it_was"},
    ),
    "e: what was changed is ruled on again": Row(
        "test_e_what_was_changed_is_ruled_on_again",
        {"approvals.derive.rule": "ruled_before_the_edit"},
    ),
    "e: what was changed is made once more": Row(
        "test_e_a_change_by_hand_is_no_change_of_the_policy",
        {"approvals.execute.check_derived": "nothing"},
    ),
    "f: the door asks for the decisions": Row(
        "test_f_what_was_refused_does_not_run",
        {"approvals.execute.verify_decisions": "nothing"},
    ),
    "g: a signature names its review, and fits its action": Row(
        "test_g_answers_are_kept_apart_by_what_they_are_for",
        {"approvals.signoff._check_passkey": "any_signature", "approvals.signoff._check_payload_fits": "nothing"},
    ),
    "h: what was read is read again": Row(
        "test_h_what_was_looked_at_is_looked_at_again_before_it_is_done",
        {"approvals.execute.check_still_true": "nothing"},
    ),
    "h: the policy is asked again": Row(
        "test_h_the_policy_is_asked_again_before_it_is_done",
        {"approvals.execute.rule": "all_is_allowed"},
    ),
    "h: the bytes that go out are compared once more": Row(
        "test_h_what_is_written_is_what_was_agreed",
        {"integrations.outbound._AgreedPool.handle_request": "as_any_pool_does"},
    ),
    "i: each payload has a nonce": Row(
        "test_i_each_payload_is_another_one",
        {"approvals.signoff.decision_payload": "the_same_bytes"},
    ),
    "i: the authenticator's counter rises": Row(
        "test_i_a_signature_counts_once",
        {"console.accounts.passkeys.check_signature": "whatever_the_counter"},
    ),
    "i: a payload is good for minutes": Row(
        "test_i_a_page_that_lay_open_is_no_longer_signed",
        {"console.accounts.prepared.LIFETIME": "ten_days"},
    ),
    "j: one act asks who made it": Row(
        "test_j_nobody_approves_what_they_began_by_any_way",
        {"approvals.signoff._check_vote": "nothing"},
    ),
    "k: rows are loaded for somebody": Row(
        "test_k_an_id_opens_nothing_to_whom_it_is_not_for",
        {"approvals.access.visible_reviews": "everybodys"},
    ),
    "l: forms have a token": Row(
        "test_l_what_follows_links_decides_nothing",
        {"django.conf.settings.MIDDLEWARE": "without_tokens_of_forms"},
    ),
    "l: an approval is signed": Row(
        "test_l_what_follows_links_decides_nothing",
        {"approvals.signoff._check_level": "nothing"},
    ),
    "m: only people in a browser decide": Row(
        "test_m_an_agent_is_not_its_own_human",
        {"approvals.signoff._check_person": "nothing"},
    ),
    "n: an agent's words are folded": Row(
        "test_n_what_an_agent_says_is_not_what_is_shown_as_fact",
        {"approvals.queries.MOST_SAID": "endless"},
    ),
    "n: what is undecoded asks one more": Row(
        "test_n_what_cannot_be_decoded_asks_more_people",
        {"approvals.policies.decide._undecoded": "as_it_was"},
    ),
    "o: what was shown is decoded again": Row(
        "test_o_whoever_was_shown_something_else_has_signed_nothing",
        {"approvals.execute._check_shown": "nothing"},
    ),
    "o: pages run our scripts alone": Row(
        "test_o_a_page_runs_no_script_but_ours",
        {"console.home.middleware.policy": "anything"},
    ),
    "p: hidden characters are spelled out": Row(
        "test_p_what_cannot_be_seen_or_looks_like_something_else_is_said",
        {"console.core.chips.is_hidden": "not_hidden"},
    ),
    "p: names that look alike are told": Row(
        "test_p_what_cannot_be_seen_or_looks_like_something_else_is_said",
        {"approvals.queries.look_alikes": "no_names"},
    ),
    "q: what is closed is closed": Row(
        "test_q_what_is_decided_stays_decided_everywhere",
        {"approvals.signoff._check_open": "nothing"},
    ),
    "r: time is asked when somebody signs": Row(
        "test_r_time_never_approves_and_is_told_as_what_it_is",
        {"approvals.signoff._check_open": "open_however_late"},
    ),
    "r: time has an end of its own": Row(
        "test_r_time_never_approves_and_is_told_as_what_it_is",
        {"approvals.sweep._expire": "a_no_of_nobody"},
    ),
    "s: an answer is checked before it is kept": Row(
        "test_s_a_wrong_answer_is_not_kept",
        {"approvals.signoff._check_vote": "nothing"},
    ),
    "t: a grant names its operations": Row(
        "test_t_names_are_compared_whole",
        {"approvals.propose.grants_of": "all_of_the_team"},
    ),
    "t: rules compare whole names": Row(
        "test_t_names_are_compared_whole",
        {"approvals.policies.rules._OF_FIELDS": "names_that_begin_so"},
    ),
}

ALL_THERE = "all there"
ONLY = " | only "
# With just one of several away.
PARTS = {
    f"{name}{ONLY}{path}": Row(row.test, {path: row.away[path]})
    for name, row in ROWS.items() if len(row.away) > 1 for path in row.away
}  # fmt: skip
RUNS = {**ROWS, **PARTS}
