"""Signed notes, checkpoints, keys and policies, read as strictly as their specifications are written."""

import struct
from base64 import b64encode
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from audit.note import ED25519, ML_DSA_44, SigningKey, checkpoint_body, sign_note
from audit.verify import (
    Mismatch,
    Policy,
    VKey,
    check_signatures,
    key_id,
    open_note,
    parse_checkpoint,
    parse_note,
    unbase64,
)
from tests.audit.test_verify_crypto import pure
from tests.audit.written import Witness

# The example of c2sp.org/signed-note
EXAMPLE_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE = (
    "This is an example message.\n\n"
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
ROOT = bytes(range(32))
BODY = checkpoint_body("log.example/1", 17, ROOT)
KEY = SigningKey.generate("log.example/1")
QUANTUM_KEY = SigningKey.generate("log.example/1", ML_DSA_44)
WITNESS = Witness("witness.example/w1")
NOTE = sign_note(BODY, [KEY]) + WITNESS.cosign(BODY, 1_700_000_000)


def vkey(key: SigningKey) -> VKey:
    return VKey.parse(key.vkey)


def test_the_example_of_the_specification_verifies() -> None:
    note, key = parse_note(EXAMPLE), VKey.parse(EXAMPLE_KEY)
    assert note.body == "This is an example message.\n"
    assert check_signatures(note, [key]).verified == {key: None}
    with pure():
        assert check_signatures(note, [key]).verified == {key: None}
    assert str(key) == EXAMPLE_KEY


def test_a_key_in_a_policy_with_pluses_in_its_base64_is_read() -> None:
    keys = (SigningKey.generate("log.example/1") for _ in range(1000))
    text = next(key.vkey for key in keys if key.vkey.count("+") > 2)
    assert str(VKey.parse(text)) == text


@pytest.mark.parametrize("text", [
    "", "name", "name+00000000", EXAMPLE_KEY.replace("530d903a", "530d903b"), EXAMPLE_KEY.upper(),
    EXAMPLE_KEY[:-4], EXAMPLE_KEY.replace("foo", "bar"), EXAMPLE_KEY.replace("example", "exam ple"), "+" + EXAMPLE_KEY,
    EXAMPLE_KEY.replace("AekyeRrm", "A eky Rrm"), EXAMPLE_KEY + "=",
])  # fmt: skip
def test_damaged_keys_are_refused(text: str) -> None:
    with pytest.raises(Mismatch):
        VKey.parse(text)


def test_keys_of_unknown_kinds_are_refused() -> None:
    for kind, length in [(2, 32), (5, 32), (255, 32), (ED25519, 31), (ML_DSA_44, 32), (0, 0)]:
        material = bytes([kind]) + bytes(length)
        with pytest.raises(Mismatch, match="kind"):
            VKey.parse(f"name+{key_id('name', material).hex()}+{b64encode(material).decode()}")


def test_a_note_opens_with_the_names_and_moments_of_known_keys() -> None:
    checkpoint, names = open_note(NOTE, [vkey(KEY), WITNESS.vkey])
    assert checkpoint == ("log.example/1", 17, ROOT, BODY)
    assert names == {"log.example/1": None, "witness.example/w1": 1_700_000_000}
    assert open_note(NOTE, [vkey(KEY)])[1] == {"log.example/1": None}


def test_signatures_of_unknown_keys_are_ignored_even_under_a_known_name_or_id() -> None:
    stranger = SigningKey.generate("log.example/1")
    same_id = f"— other.example {b64encode(KEY.id + bytes(64)).decode()}\n"
    same_name = f"— log.example/1 {b64encode(stranger.id + bytes(64)).decode()}\n"
    assert open_note(NOTE + same_id + same_name, [vkey(KEY)])[1] == {"log.example/1": None}


def test_a_note_that_no_known_key_signed_is_refused() -> None:
    with pytest.raises(Mismatch, match="None of the given keys"):
        open_note(NOTE, [vkey(SigningKey.generate("log.example/1"))])
    with pytest.raises(Mismatch, match="None of the given keys"):
        open_note(NOTE, [])


def test_one_wrong_signature_of_a_known_key_spoils_the_note() -> None:
    wrong = f"— log.example/1 {b64encode(KEY.id + bytes(64)).decode()}\n"
    for note in (NOTE + wrong, BODY + "\n" + wrong + NOTE.partition("\n\n")[2], NOTE.replace("\n17\n", "\n18\n")):
        with pytest.raises(Mismatch, match="signature by log"):
            open_note(note, [vkey(KEY)])
    short = f"— log.example/1 {b64encode(KEY.id + bytes(63)).decode()}\n"
    with pytest.raises(Mismatch, match="signature by log"):
        open_note(NOTE + short, [vkey(KEY)])


def test_a_cosignature_is_wrong_when_its_moment_was_changed() -> None:
    line = NOTE.splitlines()[-1]
    signed = bytearray(unbase64(line.split(" ")[2]))
    signed[11] ^= 1
    moved = NOTE.replace(line, f"— {WITNESS.name} {b64encode(signed).decode()}")
    with pytest.raises(Mismatch, match="signature by witness"):
        open_note(moved, [vkey(KEY), WITNESS.vkey])


def test_a_cosignature_beyond_the_largest_moment_is_refused() -> None:
    with pytest.raises(Mismatch, match="signature by witness"):
        open_note(sign_note(BODY, [KEY]) + WITNESS.cosign(BODY, 1 << 63), [vkey(KEY), WITNESS.vkey])


def test_a_plain_signature_is_no_cosignature_of_the_same_key() -> None:
    """The key id covers the kind, and the message is another."""
    plain = VKey(WITNESS.name, key_id(WITNESS.name, bytes([ED25519]) + WITNESS.vkey.key), ED25519, WITNESS.vkey.key)
    with pytest.raises(Mismatch, match="None of the given keys"):
        open_note(NOTE, [plain])
    signature = WITNESS.key.sign(BODY.encode())
    line = f"— {WITNESS.name} {b64encode(WITNESS.vkey.id + struct.pack('>Q', 0) + signature).decode()}\n"
    with pytest.raises(Mismatch, match="signature by witness"):
        open_note(BODY + "\n" + line, [WITNESS.vkey])


def test_two_keys_of_one_name_and_id_are_refused() -> None:
    other = vkey(KEY)._replace(key=bytes(32))
    with pytest.raises(Mismatch, match="same id"):
        open_note(NOTE, [vkey(KEY), other])


def test_ml_dsa_signatures_are_checked_with_the_package_and_said_to_be_unchecked_without() -> None:
    note = sign_note(BODY, [KEY, QUANTUM_KEY])
    keys = [vkey(KEY), vkey(QUANTUM_KEY)]
    assert list(check_signatures(parse_note(note), keys).verified) == keys
    with pytest.raises(Mismatch, match=QUANTUM_KEY.id.hex()):
        open_note(
            sign_note(BODY.replace("17", "18"), [KEY]) + sign_note(BODY, [QUANTUM_KEY]).partition("\n\n")[2], keys
        )
    with pure():
        signers = check_signatures(parse_note(note), keys)
        assert (list(signers.verified), signers.unchecked) == ([vkey(KEY)], [vkey(QUANTUM_KEY)])
        with pytest.raises(Mismatch, match="package cryptography"):
            open_note(note, [vkey(QUANTUM_KEY)])


LINE = NOTE.splitlines()[4]


@pytest.mark.parametrize("text", [
    "", "\n", "text\n", "text\n\n", BODY, BODY + "\n", BODY + LINE + "\n", NOTE[:-1], NOTE + "\n",
    NOTE.replace("\n", "\r\n"), NOTE + "no signature\n", NOTE.replace("— ", "- "), NOTE.replace("— ", "—  "),
    NOTE.replace("— ", "—"), NOTE.replace("17", "17\x07"), NOTE.replace("17", "17\t"), NOTE.replace("17", "\ud800"),
    BODY + "\n" + LINE + " \n", BODY + "\n— log.example/1\n", BODY + "\n— log.example/1 \n",
    BODY + "\n— a+b AAAAAAAA\n", BODY + "\n—  AAAAAAAA\n", BODY + "\n— a\u00a0b AAAAAAAA\n", BODY + "\n— a AAAA\n",
    BODY + "\n— a AAAAAAA\n", BODY + "\n— a AAAAAAB=\n", BODY + "\n— a AAAA-AAA\n",
    BODY + "\n" + "— a AAAAAAAA\n" * 101,
])  # fmt: skip
def test_what_is_no_signed_note_is_refused(text: str) -> None:
    with pytest.raises(Mismatch):
        parse_note(text)


def test_sixteen_signatures_and_more_are_accepted() -> None:
    strangers = "".join(f"— stranger{number} AAAAAAAA\n" for number in range(99))
    assert len(parse_note(sign_note(BODY, [KEY]) + strangers).lines) == 100


def test_empty_lines_belong_to_the_text_up_to_the_last_of_them() -> None:
    assert parse_note(f"one\n\ntwo\n\n{LINE}\n").body == "one\n\ntwo\n"


@pytest.mark.parametrize("body", [
    "", "log.example/1\n17\n", BODY[:-1], BODY.replace("17", "017"), BODY.replace("17", "+17"),
    BODY.replace("17", "-1"), BODY.replace("17", "1_7"), BODY.replace("17", "١٧"), BODY.replace("17", str(2**63)),
    BODY.replace("17", "9" * 5000), BODY.replace("log.example/1", ""), BODY.replace("=", ""),
    BODY.replace("17\n", "17\n\n"), BODY + "\n", checkpoint_body("log.example/1", 17, ROOT[:31]),
    "log.example/1\n17\n" + "A" * 42 + "B=\n",
])  # fmt: skip
def test_what_is_no_checkpoint_is_refused(body: str) -> None:
    with pytest.raises(Mismatch):
        parse_checkpoint(body)


def test_extension_lines_are_left_alone() -> None:
    assert parse_checkpoint(BODY + "extension\n") == ("log.example/1", 17, ROOT, BODY + "extension\n")


@given(st.text(max_size=300))
def test_no_text_makes_the_reader_fail_in_another_way(text: str) -> None:
    for one in (text, NOTE + text, text + NOTE):
        with suppress(Mismatch):
            assert open_note(one, [vkey(KEY)])[0].body + "\n" in one


def policy(*lines: str) -> Policy:
    return Policy.parse("\n".join([f"log {KEY.vkey}", *lines]) + "\n")


def test_a_policy_without_witnesses_is_satisfied() -> None:
    assert policy("quorum none").satisfied([])
    assert policy("quorum none").logs == [vkey(KEY)]
    assert Policy.parse("# nothing else\n\n \t quorum\t none \n").logs == []


NAMES = ["x1", "x2", "x3", "y1", "y2"]
WITNESSES = {name: Witness(f"witness.example/{name}") for name in NAMES}
LISTED = [f"witness {name} {one.vkey} https://{name}.example" for name, one in WITNESSES.items()]
NESTED = policy(*LISTED, "group x 2 x1 x2 x3", "group y any y1 y2", "group both all x y", "quorum both")


@pytest.mark.parametrize(("cosigned", "enough"), [
    ("", False), ("x1 x2", False), ("x1 x2 y1", True), ("x1 x3 y2", True), ("x1 y1 y2", False), ("x1 x2 x3", False),
    ("x1 x2 x3 y1 y2", True),
])  # fmt: skip
def test_a_quorum_of_groups_counts_each_as_it_says(cosigned: str, enough: bool) -> None:
    assert NESTED.satisfied([WITNESSES[name].vkey for name in cosigned.split()]) is enough
    assert not NESTED.satisfied([Witness("witness.example/x1").vkey])


@pytest.mark.parametrize("lines", [
    [], ["quorum none", "quorum none"], ["quorum x1"], ["quorum x1", LISTED[0]], ["quorom none"], ["quorum none\r"],
    [LISTED[0], LISTED[0], "quorum none"], [LISTED[0], LISTED[1].replace("x2 ", "x1 "), "quorum none"],
    [LISTED[0], LISTED[0].replace("x1 ", "z "), "quorum z"], [LISTED[0].replace(" x1 ", " none "), "quorum none"],
    [LISTED[0], "group g 2 x1", "quorum g"], [LISTED[0], "group g 0 x1", "quorum g"], ["group g all", "quorum g"],
    [LISTED[0], "group g any x1 x1", "quorum g"], [LISTED[0], "group g any x2", "quorum g"],
    [LISTED[0], "group g any g", "quorum g"], [LISTED[0], "group g 1.0 x1", "quorum g"],
    [f"log {KEY.vkey}", "quorum none"], [f"witness w {KEY.vkey}", "quorum none"],
    [f"log {WITNESS.vkey}", "quorum none"], ["log", "quorum none"], [LISTED[0] + " more", "quorum none"],
])  # fmt: skip
def test_what_is_no_policy_is_refused(lines: list[str]) -> None:
    with pytest.raises(Mismatch):
        policy(*lines)


def test_a_refused_policy_names_the_line() -> None:
    with pytest.raises(Mismatch, match="Line 3 of the policy"):
        policy(LISTED[0], "group g 2 x1", "quorum g")


def test_a_key_of_another_origin_does_not_open_a_checkpoint_of_this_one() -> None:
    other = SigningKey("other.example/1", ED25519, KEY.seed)
    with pytest.raises(Mismatch, match="None of the given keys"):
        open_note(NOTE, [vkey(other)])
    assert Ed25519PrivateKey.from_private_bytes(KEY.seed).public_key().public_bytes_raw() == vkey(other).key
