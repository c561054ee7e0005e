"""Secrets at rest."""

import pytest

from infra.secrets import Secrets, WrongKey, digest, new_key


def test_what_was_encrypted_can_be_decrypted_and_not_read():
    secrets = Secrets([new_key()])
    token = secrets.encrypt(b"refresh token")

    assert secrets.decrypt(token) == b"refresh token"
    assert b"refresh" not in token


def test_the_first_key_encrypts_and_all_decrypt():
    old, new = new_key(), new_key()
    token = Secrets([old]).encrypt(b"x")

    assert Secrets([new, old]).decrypt(token) == b"x"
    with pytest.raises(WrongKey):
        Secrets([old]).decrypt(Secrets([new, old]).encrypt(b"x"))


def test_rotation_makes_the_old_key_dispensable():
    old, new = new_key(), new_key()
    token = Secrets([new, old]).rotate(Secrets([old]).encrypt(b"x"))

    assert Secrets([new]).decrypt(token) == b"x"


def test_a_changed_token_is_refused():
    secrets = Secrets([new_key()])
    token = bytearray(secrets.encrypt(b"x"))
    token[-5] ^= 1

    with pytest.raises(WrongKey):
        secrets.decrypt(bytes(token))


def test_no_keys_are_no_secrets():
    with pytest.raises(ValueError, match="at least one key"):
        Secrets([])


def test_digests_agree_for_equal_texts_and_keys_only():
    assert digest(b"k", "a@b.example") == digest(b"k", "a@b.example")
    assert digest(b"k", "a@b.example") != digest(b"other", "a@b.example")
    assert digest(b"k", "a@b.example") != digest(b"k", "c@b.example")


def test_any_text_has_a_digest():
    assert digest(b"k", "\udcff\x00é")
