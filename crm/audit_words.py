"""Why a message was missing from the journal, as far as an audit can tell afterwards; in words."""

from enum import StrEnum


class Why(StrEnum):
    PUSH = "push-missed"
    REPAIR = "cursor-repair"
    RESCUED = "moved-in"
    FOLDER = "folder-new"
    LISTING = "listing-gap"


SENTENCES = {
    Why.PUSH: "It came while the provider announced no new mail of this mailbox.",
    Why.REPAIR: "It came before the provider forgot where we had stopped reading.",
    Why.RESCUED: "It lay in junk, the trash or another folder, and was moved unseen.",
    Why.FOLDER: "It lies in a folder that was not followed yet when it came.",
    Why.LISTING: "The provider's list of changes did not show it, though it lay where we look.",
}


def sentence(why: str) -> str:
    """One plain sentence; the bare reason for one that this version does not know."""
    return SENTENCES[Why(why)] if why in set(Why) else why
