"""The requests this adapter makes, as values; nothing here sends one."""

from datetime import UTC, datetime
from urllib.parse import quote

from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_abstractions.method import Method
from kiota_abstractions.request_information import RequestInformation
from msgraph.generated.subscriptions.item.subscription_item_request_builder import (
    SubscriptionItemRequestBuilder,
)
from msgraph.generated.subscriptions.subscriptions_request_builder import (
    SubscriptionsRequestBuilder,
)
from msgraph.generated.users.item.mail_folders.item.child_folders.child_folders_request_builder import (
    ChildFoldersRequestBuilder,
)
from msgraph.generated.users.item.mail_folders.item.mail_folder_item_request_builder import (
    MailFolderItemRequestBuilder,
)
from msgraph.generated.users.item.mail_folders.item.message_rules.message_rules_request_builder import (
    MessageRulesRequestBuilder,
)
from msgraph.generated.users.item.mail_folders.item.messages.delta.delta_request_builder import (
    DeltaRequestBuilder,
)
from msgraph.generated.users.item.messages.item.message_item_request_builder import (
    MessageItemRequestBuilder,
)
from msgraph.generated.users.item.messages.messages_request_builder import MessagesRequestBuilder
from msgraph.generated.users.item.outlook.master_categories.master_categories_request_builder import (
    MasterCategoriesRequestBuilder,
)
from msgraph.graph_service_client import GraphServiceClient

from providers.graph.transport import Json, at, prefer, relative, write

MOST_LISTED = 500  # messages a page of a listing of ids alone
HEADER_FIELDS = [
    "parentFolderId",
    "from",
    "sender",
    "toRecipients",
    "ccRecipients",
    "bccRecipients",
    "subject",
    "internetMessageId",
    "receivedDateTime",
    "sentDateTime",
    "conversationId",
    "isDraft",
    "categories",
    "internetMessageHeaders",
]
ATTACHMENTS = (
    "attachments($select=id,name,contentType,size,isInline,"
    "microsoft.graph.fileAttachment/contentId)"
)
CATEGORY_COLOUR = "preset4"  # green
IN_REPLY_TO = "String 0x1042"  # PidTagInReplyToId
REFERENCES = "String 0x1039"  # PidTagInternetReferences
SIZE = "Integer 0x0E08"  # PidTagMessageSize
THREADING = f"singleValueExtendedProperties($filter=id eq '{IN_REPLY_TO}' or id eq '{REFERENCES}')"
THREADING_AND_SIZE = THREADING.replace(")", f" or id eq '{SIZE}')")


ANY = "any-message"  # stands for an id


class Requests:
    """Builds requests with the SDK's builders. Every GET of messages asks for immutable ids."""

    def __init__(self, sdk: GraphServiceClient, page_size: int) -> None:
        self._sdk = sdk
        self._page_size = page_size
        self._paths: dict[tuple[str, ...], str] = {}  # of a message, by what is asked of it

    @property
    def _page(self) -> str:
        return f"odata.maxpagesize={self._page_size}"

    def paged(self, info: RequestInformation) -> RequestInformation:
        """`info` with the headers that every page of a listing needs, also a linked one."""
        return prefer(info, self._page)

    def delta(self, folder: str, since: datetime) -> RequestInformation:
        """The first page of changes in `folder` among what was received since `since`.

        The filter stays in every link that follows: a message received before `since` that is
        moved into the folder later may never show there.
        """
        query = DeltaRequestBuilder.DeltaRequestBuilderGetQueryParameters(
            select=HEADER_FIELDS, filter=_received_since(since)
        )
        builder = self._sdk.me.mail_folders.by_mail_folder_id(folder).messages.delta
        info = builder.to_get_request_information(RequestConfiguration(query_parameters=query))
        return self.paged(info)

    def delta_path(self, folder: str, since: datetime) -> str:
        """The URL of `delta` below the API's root, to be asked for later."""
        return relative(self.delta(folder, since))

    def received(
        self, since: datetime, until: datetime | None = None, folder: str = ""
    ) -> RequestInformation:
        """The first page of all messages of the mailbox, or of one folder, received since `since`,
        oldest first."""
        info = self._messages(HEADER_FIELDS, _received(since, until), self._page_size)
        if folder:  # the SDK's builder for it takes the same, and 20 ms to import
            info.url_template = str(info.url_template).replace(
                "/messages", "/mailFolders/{folder}/messages", 1
            )
            info.path_parameters = {**info.path_parameters, "folder": folder}
        return prefer(info)

    def arrived(self, since: datetime, until: datetime) -> RequestInformation:
        """As `received`, of each message its folder alone."""
        return prefer(
            self._messages(["id", "parentFolderId"], _received(since, until), MOST_LISTED)
        )

    def _messages(self, fields: list[str], which: str, most: int) -> RequestInformation:
        query = MessagesRequestBuilder.MessagesRequestBuilderGetQueryParameters(
            select=fields, filter=which, orderby=["receivedDateTime"], top=most
        )
        info: RequestInformation = self._sdk.me.messages.to_get_request_information(
            RequestConfiguration(query_parameters=query)
        )
        return info

    def headers(self, message: str) -> RequestInformation:
        return prefer(self._message(message, HEADER_FIELDS, [THREADING]))

    def message(self, message: str) -> RequestInformation:
        """Body, headers and the list of attachments in one request. Graph's own cleaning of HTML
        is switched off: it differs from the other providers', and ours comes after."""
        fields = [*HEADER_FIELDS, "body"]
        info = self._message(message, fields, [ATTACHMENTS, THREADING_AND_SIZE])
        return prefer(info, "outlook.allow-unsafe-html")

    def attachment(self, message: str, part: str) -> RequestInformation:
        """The bytes of a file, or the MIME of a message within. The SDK has no builder for it."""
        names = {"message": message, "part": part}
        template = "{+baseurl}/me/messages/{message}/attachments/{part}/$value"
        return prefer(RequestInformation(Method.GET, template, names))

    def _message(self, message: str, select: list[str], expand: list[str]) -> RequestInformation:
        """The SDK works out the URL once for all messages: it takes a millisecond of CPU to."""
        query = MessageItemRequestBuilder.MessageItemRequestBuilderGetQueryParameters(
            select=select, expand=expand
        )
        key = (*select, *expand)
        if key not in self._paths:
            builder = self._sdk.me.messages.by_message_id(ANY)
            self._paths[key] = relative(
                builder.to_get_request_information(RequestConfiguration(query_parameters=query))
            )
        # Ids end in "=", which a path may hold as it is: one decoding fewer that can go wrong.
        path = self._paths[key].replace(ANY, quote(message, safe="="), 1)
        return at(str(self._sdk.request_adapter.base_url), path)

    def folder(self, folder: str) -> RequestInformation:
        """A folder by id or well-known name; its id in the answer is the one messages carry."""
        query = MailFolderItemRequestBuilder.MailFolderItemRequestBuilderGetQueryParameters(
            select=["id", "displayName", "parentFolderId"]
        )
        builder = self._sdk.me.mail_folders.by_mail_folder_id(folder)
        info: RequestInformation = builder.to_get_request_information(
            RequestConfiguration(query_parameters=query)
        )
        return info

    def children(self, folder: str) -> RequestInformation:
        """The folders right below one, hidden ones left out."""
        query = ChildFoldersRequestBuilder.ChildFoldersRequestBuilderGetQueryParameters(
            select=["id", "displayName", "parentFolderId", "childFolderCount"], top=100
        )
        builder = self._sdk.me.mail_folders.by_mail_folder_id(folder).child_folders
        info: RequestInformation = builder.to_get_request_information(
            RequestConfiguration(query_parameters=query)
        )
        return info

    def rules(self) -> RequestInformation:
        builder: MessageRulesRequestBuilder = self._sdk.me.mail_folders.by_mail_folder_id(
            "inbox"
        ).message_rules
        info: RequestInformation = builder.to_get_request_information()
        return info

    def categories(self) -> RequestInformation:
        """The master list: what a person can choose from in Outlook."""
        builder: MasterCategoriesRequestBuilder = self._sdk.me.outlook.master_categories
        info: RequestInformation = builder.to_get_request_information()
        return info

    def new_category(self, name: str) -> RequestInformation:
        body = {"displayName": name, "color": CATEGORY_COLOUR}
        return write(Method.POST, "/me/outlook/masterCategories", body)

    def subscriptions(self) -> RequestInformation:
        builder: SubscriptionsRequestBuilder = self._sdk.subscriptions
        info: RequestInformation = builder.to_get_request_information()
        return info

    def subscribe(self, body: Json) -> RequestInformation:
        return prefer(write(Method.POST, "/subscriptions", body))

    def renew(self, subscription: str, until: str) -> RequestInformation:
        path = relative(self._subscription(subscription).to_get_request_information())
        return write(Method.PATCH, path, {"expirationDateTime": until})

    def unsubscribe(self, subscription: str) -> RequestInformation:
        info: RequestInformation = self._subscription(subscription).to_delete_request_information()
        return info

    def _subscription(self, subscription: str) -> SubscriptionItemRequestBuilder:
        return self._sdk.subscriptions.by_subscription_id(subscription)


def _received(since: datetime, until: datetime | None) -> str:
    before = f" and receivedDateTime lt {until.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if until else ""
    return _received_since(since) + before


def _received_since(when: datetime) -> str:
    return f"receivedDateTime ge {when.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
