"""Changes of settings, checked by name."""

import re
from dataclasses import fields

import pytest

from crm.model import AccountSettings, Switches
from crm.settings_input import read_change, shown

NOW = AccountSettings(bcc_address="log@acme.test")


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("log_all_known", True, True),
        ("log_label", "  To \n log ", "To log"),
        ("bcc_address", "Log@Bücher.test", "log@xn--bcher-kva.test"),
        ("bcc_address", "", ""),
        ("attachment_limit", 25, 25),
        ("log_attachments", False, False),
        ("followed_folders", ["/Customers / Old/", "customers/old", "", "A"], ("Customers/Old", "A")),
        ("trusted_authserv_ids", ["MX.google.com"], ("mx.google.com",)),
        ("team_deny", ["Spam.test", "*.x.test"], ("spam.test", "*.x.test")),
        ("own_domains", ["Acme.test"], ("acme.test",)),
    ],
)  # fmt: skip
def test_a_value_is_taken_in_the_form_it_is_stored_in(name, given, value):
    change = read_change({name: given}, NOW)
    assert change.values == {name: value}
    assert change.errors == {}


@pytest.mark.parametrize(
    ("name", "given", "why"),
    [
        ("log_all_known", "true", "on or off"),
        ("log_all_known", 1, "on or off"),
        ("log_all_known", None, "on or off"),
        ("log_label", "", "needs a name"),
        ("log_label", "x" * 101, "needs a name"),
        ("log_label", ["x"], "a text"),
        ("log_label", "Inbox", "itself"),
        ("bcc_address", "log", "not an e-mail address"),
        ("forwarding_address", "Log@acme.test", "two addresses"),
        ("attachment_limit", 0, "between 1 and"),
        ("attachment_limit", 151, "between 1 and"),
        ("attachment_limit", True, "whole number"),
        ("attachment_limit", "9", "whole number"),
        ("attachment_limit", 1.5, "whole number"),
        ("followed_folders", "Old", "a list of texts"),
        ("followed_folders", [7], "a list of texts"),
        ("followed_folders", ["a//b"], "“a//b”: A folder is named"),
        ("followed_folders", ["x" * 256], "at most 255"),
        ("followed_folders", [str(number) for number in range(51)], "these are 51"),
        ("trusted_authserv_ids", ["a b"], "mail server"),
        ("team_allow", ["*"], "“\\*”"),
        ("own_domains", ["gmail.com"], "cannot be your own"),
        ("own_domains", ["acme"], "not a domain"),
        ("switches", {}, "no setting of this name"),
        ("no_such\0", 1, "no setting of this name"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_and_nothing_of_it_is_taken(name, given, why):
    change = read_change({name: given, "log_internal": True}, NOW)
    assert change.values == {"log_internal": True}
    ((_, said),) = change.errors.items()
    assert re.search(why, said)


def test_both_addresses_may_change_places_at_once():
    current = AccountSettings(bcc_address="a@x.test", forwarding_address="b@x.test")
    swapped = {"bcc_address": "b@x.test", "forwarding_address": "a@x.test"}
    assert read_change(swapped, current).errors == {}


def test_what_is_shown_can_be_sent_back_and_is_everything():
    everything = shown(AccountSettings(team_deny=("spam.test",)), frozenset({"acme.test"}))
    change = read_change(everything, AccountSettings())
    assert change.errors == {}
    assert change.values["team_deny"] == ("spam.test",)
    names = {each.name for each in (*fields(Switches), *fields(AccountSettings))} - {"switches"}
    assert everything.keys() == names | {"own_domains"}
