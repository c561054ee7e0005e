"""Gmail's methods: the discovery document read once, its resources kept for the life of the process.

Building a resource costs more CPU than a call does. The kept ones hold no credentials; each call
brings its own HTTP, so any thread may use them.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import httplib2
from googleapiclient import discovery_cache
from googleapiclient.discovery import build_from_document
from googleapiclient.http import BatchHttpRequest, HttpRequest

from crm.headers import FIELDS

if TYPE_CHECKING:
    from googleapiclient._apis.gmail.v1 import GmailResource

_HISTORY_TYPES: Any = ["messageAdded", "labelAdded", "labelRemoved"]  # the stubs allow but one

_MESSAGE = "message(id,threadId,labelIds)"
HISTORY_FIELDS = (
    f"historyId,nextPageToken,history(id,messagesAdded/{_MESSAGE},"
    f"labelsAdded(labelIds,{_MESSAGE}),labelsRemoved(labelIds,{_MESSAGE}))"
)
LIST_FIELDS = "nextPageToken,resultSizeEstimate,messages(id,threadId)"
METADATA_FIELDS = "id,threadId,labelIds,internalDate,payload/headers"
FULL_FIELDS = "id,threadId,labelIds,internalDate,sizeEstimate,payload"


@dataclass(frozen=True)
class Api:
    """Requests to build; nothing is sent before they are executed."""

    users: "GmailResource.UsersResource"
    messages: "GmailResource.UsersResource.MessagesResource"
    attachments: "GmailResource.UsersResource.MessagesResource.AttachmentsResource"
    history_resource: "GmailResource.UsersResource.HistoryResource"
    labels_resource: "GmailResource.UsersResource.LabelsResource"
    batch_uri: str

    def profile(self) -> HttpRequest:
        return self.users.getProfile(
            userId="me", fields="historyId,emailAddress", prettyPrint=False
        )

    def history(self, start: int, token: str, size: int) -> HttpRequest:
        """One page of the records after `start`."""
        return self.history_resource.list(
            userId="me",
            startHistoryId=str(start),
            historyTypes=_HISTORY_TYPES,
            maxResults=size,
            **_page(token),
            fields=HISTORY_FIELDS,
            prettyPrint=False,
        )

    def search(self, query: str, token: str, size: int) -> HttpRequest:
        """One page of the messages that `query` finds, in all places."""
        return self.messages.list(
            userId="me",
            q=query,
            includeSpamTrash=True,
            maxResults=size,
            **_page(token),
            fields=LIST_FIELDS,
            prettyPrint=False,
        )

    def metadata(self, message: str) -> HttpRequest:
        return self.messages.get(
            userId="me",
            id=message,
            format="metadata",
            metadataHeaders=list(FIELDS),
            fields=METADATA_FIELDS,
            prettyPrint=False,
        )

    def full(self, message: str) -> HttpRequest:
        return self.messages.get(
            userId="me", id=message, format="full", fields=FULL_FIELDS, prettyPrint=False
        )

    def raw(self, message: str) -> HttpRequest:
        return self.messages.get(
            userId="me", id=message, format="raw", fields="raw", prettyPrint=False
        )

    def attachment(self, message: str, attachment: str) -> HttpRequest:
        return self.attachments.get(
            userId="me", messageId=message, id=attachment, fields="data", prettyPrint=False
        )

    def labels(self) -> HttpRequest:
        return self.labels_resource.list(
            userId="me", fields="labels(id,name,type)", prettyPrint=False
        )

    def new_label(self, name: str) -> HttpRequest:
        body: Any = {
            "name": name,
            "labelListVisibility": "labelShow",
            "messageListVisibility": "show",
        }
        return self.labels_resource.create(
            userId="me", body=body, fields="id,name,type", prettyPrint=False
        )

    def watch(self, topic: str) -> HttpRequest:
        """Without a label filter: Gmail's is not to be trusted, and hides what is archived."""
        return self.users.watch(userId="me", body={"topicName": topic}, prettyPrint=False)

    def stop(self) -> HttpRequest:
        return self.users.stop(userId="me", prettyPrint=False)

    def batch(self, requests: Sequence[HttpRequest], callback: Any) -> BatchHttpRequest:
        """`requests` in one; `callback(id, answer, error)` is called for each, ids from "0" on."""
        batch = BatchHttpRequest(callback=callback, batch_uri=self.batch_uri)
        for number, request in enumerate(requests):
            batch.add(request, request_id=str(number))
        return batch


def _page(token: str) -> dict[str, str]:
    return {"pageToken": token} if token else {}


@cache
def api(root: str) -> Api:
    """Gmail's methods at `root` (no trailing slash)."""
    service: GmailResource = build_from_document(
        _document(), http=httplib2.Http(), client_options={"api_endpoint": f"{root}/"}
    )
    users = service.users()
    messages = users.messages()
    return Api(
        users=users,
        messages=messages,
        attachments=messages.attachments(),
        history_resource=users.history(),
        labels_resource=users.labels(),
        batch_uri=f"{root}/batch/gmail/v1",
    )


@cache
def _document() -> dict[str, Any]:
    """The description that ships with the library; it is not asked for over the network."""
    document: dict[str, Any] = json.loads(discovery_cache.get_static_doc("gmail", "v1"))
    return document
