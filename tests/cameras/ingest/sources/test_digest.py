"""Answers to a request for a login, by the examples of RFC 2617 and RFC 7616."""

from __future__ import annotations

import hashlib
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cameras.ingest.sources import digest
from cameras.ingest.sources.digest import MAX_CHALLENGES, MAX_VALUE, MAX_VALUES, Login

NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
SHA_256, MD5 = (
    f'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={name}, '
    f'nonce="{NONCE}", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    for name in ("SHA-256", "MD5")
)
ANSWERS = {  # of RFC 7616, section 3.9.1
    "SHA-256": "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
    "MD5": "8ca523f5e9506fed4657c9700eebdbec",
}


def mufasa(monkeypatch: pytest.MonkeyPatch) -> Login:
    own = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    monkeypatch.setattr(digest.secrets, "token_hex", lambda size: own)
    return Login("Mufasa", "Circle of Life")


def fields(value: str) -> dict[str, str]:
    """The parts of an Authorization header, without their quotes."""
    return dict(re.findall(r'([a-z*]+)="?((?<=")(?:[^"\\]|\\.)*|[^", ]*)', value))


def answer(login: Login, *values: str, uri: str = "/dir/index.html") -> dict[str, str]:
    assert login.challenge(values)
    return fields(login.authorization("GET", uri))


@pytest.mark.parametrize("name", ["SHA-256", "MD5"])
def test_example_of_rfc_7616_is_answered(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = answer(mufasa(monkeypatch), {"SHA-256": SHA_256, "MD5": MD5}[name])
    assert given["response"] == ANSWERS[name]
    assert (given["qop"], given["nc"], given["algorithm"]) == ("auth", "00000001", name)
    assert given["opaque"] == "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"


@pytest.mark.parametrize(
    "values",
    [[SHA_256, MD5], [MD5, SHA_256], [f"{MD5}, {SHA_256}"], ['Basic realm="x"', MD5, SHA_256]],
)
def test_strongest_offer_is_answered(values: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert answer(mufasa(monkeypatch), *values)["response"] == ANSWERS["SHA-256"]


def test_user_name_is_hashed_where_the_camera_asks_for_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The example of RFC 7616, section 3.9.2, with the values of erratum 4897."""
    own = "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v"
    monkeypatch.setattr(digest.secrets, "token_hex", lambda size: own)
    given = answer(
        Login("Jäsøn Doe", "Secret, or not?"),
        'Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256, '
        'nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", '
        'opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS", charset=UTF-8, userhash=true',
        uri="/doe.json",
    )
    name = "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b"
    assert (given["username"], given["userhash"]) == (name, "true")
    expected = "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"
    assert given["response"] == expected


def test_example_of_rfc_2617_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest.secrets, "token_hex", lambda size: "0a4f113b")
    offer = 'realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
    login = Login("Mufasa", "Circle Of Life")
    given = answer(login, f'Digest {offer}qop="auth,auth-int", opaque="5ccc069c403ebaf9f0171e"')
    assert given["response"] == "6629fae49393a05397450978507c4ef1"
    assert "algorithm" not in given, "old servers do not know the word"


def md5(*parts: str) -> str:
    return hashlib.md5(":".join(parts).encode()).hexdigest()


def test_challenge_without_qop_is_answered_as_in_rfc_2069() -> None:
    given = answer(Login("u", "p"), 'Digest realm="r", nonce="n"', uri="rtsp://10.0.0.9/cam")
    assert given["response"] == md5(md5("u", "r", "p"), "n", md5("GET", "rtsp://10.0.0.9/cam"))
    assert not {"qop", "nc", "cnonce"} & set(given)


@pytest.mark.parametrize("qop", ["", ', qop="auth"'])
def test_session_algorithm_mixes_in_the_first_nonces(qop: str) -> None:
    login = Login("u", "p")
    for count in ("00000001", "00000002"):
        given = answer(login, f'Digest realm="r", nonce="n", algorithm=MD5-sess{qop}')
        secret = md5(md5("u", "r", "p"), "n", given["cnonce"])
        middle = [count, given["cnonce"], "auth"] if qop else []
        expected = md5(secret, "n", *middle, md5("GET", "/dir/index.html"))
        assert given["response"] == expected


def test_requests_are_counted_for_each_nonce() -> None:
    login = Login("u", "p")
    offer = 'Digest realm="r", qop="auth", nonce="{}"'
    assert login.challenge([offer.format("one")])
    counts = [fields(login.authorization("GET", "/"))["nc"] for _ in range(3)]
    assert counts == ["00000001", "00000002", "00000003"]
    assert login.challenge([offer.format("one")])
    assert fields(login.authorization("GET", "/"))["nc"] == "00000004"
    assert login.challenge([offer.format("two") + ", stale=TRUE"])
    assert login.stale
    assert fields(login.authorization("GET", "/"))["nc"] == "00000001"
    assert login.challenge([offer.format("three")])
    assert not login.stale


@pytest.mark.parametrize(
    ("value", "realm", "nonce"),
    [
        (r'Digest realm="a \"b\", c=\"d", nonce="n"', r"a \"b\", c=\"d", "n"),
        ("digest nonce = n ,realm=x", "x", "n"),
        ('DIGEST realm="x" nonce="n"', "x", "n"),
        ('Digest realm="x",, nonce="n", Basic realm="y"', "x", "n"),
        ('NTLM TlRMTVNTUAAB, Digest realm="Digest x", nonce="n"', "Digest x", "n"),
        ('Negotiate YII==, Digest realm="x", nonce="n", nonce="m"', "x", "n"),
        ('Digest realm="x\r\n", nonce="n\0"', "x  ", "n "),
    ],
)
def test_odd_challenge_is_read(value: str, realm: str, nonce: str) -> None:
    given = answer(Login("u", "p"), value)
    assert (given["realm"], given["nonce"]) == (realm, nonce)


@pytest.mark.parametrize("spelling", ["SHA-256", "sha-256", "SHA256", '"SHA-256"', "SHA_256"])
def test_algorithm_is_known_in_every_spelling(spelling: str) -> None:
    assert len(answer(Login("u", "p"), f"Digest nonce=n, algorithm={spelling}")["response"]) == 64


def test_basic_is_the_last_resort() -> None:
    login = Login("admin", "pä:ss")
    assert not login.ready
    assert login.challenge(['NTLM, Basic realm="x"', "Digest nonce=n, algorithm=SHA-1"])
    assert login.ready
    assert login.authorization("GET", "/") == "Basic YWRtaW46cMOkOnNz"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["NTLM TlRMTVNTUAABAAAAB4IIogAAAA=="], "NTLM"),
        (["NTLM", "Negotiate", "NTLM"], "NTLM or Negotiate"),
        (['Digest realm="x", nonce="n", qop="auth-int"'], "Digest with auth-int"),
        (['Digest realm="x", nonce="n", algorithm=SHA-1'], "Digest with SHA-1"),
        (['Digest realm="x"'], "Digest without a nonce"),
        (["<script>"], "an unknown method"),
        (["Digest nonce=n, algorithm=<b>"], "Digest with an unknown algorithm"),
        ([], "a method that it does not name"),
        ([""], "a method that it does not name"),
    ],
)
def test_unusable_offer_is_named(values: list[str], words: str) -> None:
    login = Login("u", "p")
    assert not login.challenge(values)
    assert login.unusable == words
    assert login.sentence == f"The camera asks for a login by {words}, which is not supported."
    assert not login.ready
    assert login.challenge(["Basic"])
    assert login.sentence == ""


def test_bytes_that_are_no_text_come_back_as_they_were() -> None:
    realm = b"caf\xe9".decode("utf-8", "surrogateescape")
    given = answer(Login("u", "p"), f'Digest realm="{realm}", nonce="n"')
    assert given["realm"].encode("utf-8", "surrogateescape") == b"caf\xe9"
    secret = hashlib.md5(b"u:caf\xe9:p").hexdigest()
    assert given["response"] == md5(secret, "n", md5("GET", "/dir/index.html"))


def test_only_so_many_challenges_are_looked_at() -> None:
    usable = 'Digest realm="x", nonce="n"'
    assert not Login("u", "p").challenge(["NTLM"] * MAX_VALUES + [usable])
    assert not Login("u", "p").challenge([", ".join(["a"] * MAX_CHALLENGES + [usable])])
    assert not Login("u", "p").challenge(["a" + " " * MAX_VALUE + usable])
    assert len(answer(Login("u", "p"), usable + ", opaque=" + "o" * 9999)["opaque"]) < MAX_VALUE


@given(st.lists(st.text(st.sampled_from('Digest Ban=",\\\n\x00é'), max_size=60), max_size=3))
@settings(max_examples=200, deadline=None)
def test_no_challenge_gets_a_line_end_into_the_answer(values: list[str]) -> None:
    login = Login("u", "p")
    if login.challenge(values):
        assert not re.search(r"[\x00-\x1f\x7f]", login.authorization("GET", "/"))
    else:
        assert login.sentence.isprintable()


@pytest.mark.timing
@pytest.mark.parametrize("piece", ['"', "\\", 'a="', "a", "a =", " ", ",", '="\\'])
def test_challenge_is_read_fast_whatever_it_holds(piece: str) -> None:
    began = time.thread_time()
    Login("u", "p").challenge(["Digest " + piece * MAX_VALUE] * MAX_VALUES)
    assert time.thread_time() - began < 0.5
