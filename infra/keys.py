"""The secret key of an installation on one machine, made on its first start."""

import os
import tempfile
from pathlib import Path

from cryptography.fernet import Fernet

from infra.secrets import new_key

FILE = "secret_keys"


class BadKeyFile(Exception):
    """The kept key cannot be used; the text names the file and says what to do."""


def kept_in(var: Path) -> str:
    """The key in folder `var`; makes it, for our eyes only, when there is none.

    Two processes that start at once get the same one. Raises BadKeyFile, OSError.
    """
    path = var / FILE
    var.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        _make(path)
    key = path.read_text("ascii", errors="replace").strip()
    try:
        Fernet(key)
    except ValueError:
        raise BadKeyFile(
            f"{path} holds no Fernet key: restore it from a backup. What it encrypted is lost with "
            "it; after removing the file, mailboxes must be connected again."
        ) from None
    return key


def _make(path: Path) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")  # mode 0600
    try:
        with os.fdopen(handle, "w") as file:
            file.write(f"{new_key()}\n")
            file.flush()
            os.fsync(handle)
        Path(path).hardlink_to(name)  # whole or not at all, and only the first one wins
    except FileExistsError:
        pass
    finally:
        Path(name).unlink()
