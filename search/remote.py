"""Remote: a place, which is a folder somewhere else, named by a URI that pyarrow knows: `s3://`, `gs://`, `hdfs://`, `file://`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from graftwork.programs.errors import ConfigError

__all__ = ["Remote", "Stored", "is_place", "reason_of"]

_SECRETS: Final = frozenset(("access_key", "secret_key", "session_token", "account_key", "client_secret", "sas_token"))
_KEYED: Final = frozenset(("s3", "gs", "gcs"))  # where what stands before @ is a key; elsewhere it is a container or a person
_AT_ONCE: Final = frozenset(("s3", "gcs", "abfs"))  # a file is there when it is whole, and folders are made by what is in them
_GCS_RETRY_S: Final = 10  # its client's own limit is a quarter of an hour, in which nothing is told


def is_place(text: object) -> bool:
    """Whether a text names a place and no local path: it has a scheme."""
    return isinstance(text, str) and re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", text) is not None


def reason_of(error: OSError) -> str:
    """What a store said is wrong, in one line."""
    said = str(error).splitlines()[0] if str(error) else type(error).__name__
    found = re.search(r"AWS Error (.*)", said)
    return (found[1] if found else said).split(" (Request ID")[0][:300]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A file as its store lists it.

    Attributes:
        n_bytes: Its size.
        mtime_ns: When it was written, by the store's clock, in nanoseconds since 1970.
    """

    n_bytes: int
    mtime_ns: int


class Remote:
    """A folder in a store. It is reached when it is first used; whatever is wrong there then is an `OSError`.

    Keys come from the environment or from files, as pyarrow finds them for each kind of store, and never from the URI, which is written
    to `run.toml`. An S3 server that is not Amazon's is named by `?endpoint_override=HOST:PORT&scheme=http`.

    Args:
        uri: Such as `s3://bucket/prefix`.

    Raises:
        ConfigError: If it is no such URI, or holds a key.
    """

    def __init__(self, uri: str) -> None:
        if not is_place(uri):
            raise ConfigError(f"a place is a URI such as s3://bucket/prefix, gs://bucket/prefix or file:///folder, not {uri!r}")
        try:
            parts = urlsplit(uri)
        except ValueError as error:
            raise ConfigError(f"a place is a URI such as s3://bucket/prefix: {error}") from None
        keyed = parts.scheme in _KEYED and parts.username not in {None, "anonymous"}
        if keyed or parts.password is not None or _SECRETS & parse_qs(parts.query).keys():
            raise ConfigError(
                "a place is named without keys, for it is written to run.toml: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
                "GOOGLE_APPLICATION_CREDENTIALS, or what else its store reads"
            )
        if not (parts.netloc + parts.path).strip("/"):
            raise ConfigError(f"a place needs a bucket or a folder, as in s3://bucket/prefix, not {uri!r}")
        self.uri = uri

    def __str__(self) -> str:
        return self.uri

    @cached_property
    def _reached(self) -> tuple[Any, str]:
        """The store and the folder's path in it."""
        from pyarrow import fs  # here: it brings the clients of every store

        uri = self.uri
        if uri.startswith(("gs://", "gcs://")) and "retry_limit_seconds" not in uri:
            uri += f"{'&' if '?' in uri else '?'}retry_limit_seconds={_GCS_RETRY_S}"
        try:
            store, path = fs.FileSystem.from_uri(uri)
        except (ValueError, NotImplementedError) as error:
            raise ConfigError(f"pyarrow knows no place {self.uri}: {str(error).splitlines()[0]}") from None
        return store, path.rstrip("/")

    def read(self, name: str) -> bytes:
        """The content of a file.

        Raises:
            FileNotFoundError: If there is none of that name.
            OSError: If it cannot be read.
        """
        store, path = self._reached
        with store.open_input_stream(f"{path}/{name}", compression=None) as stream:
            data: bytes = stream.read()
        return data

    def read_if_there(self, name: str) -> bytes | None:
        """The content of a file, or None.

        Raises:
            OSError: If it cannot be read.
        """
        try:
            return self.read(name)
        except FileNotFoundError:
            return None

    def write(self, name: str, data: bytes) -> None:
        """Put a file in place; a reader sees the old one or the new one.

        Raises:
            OSError: If the store does not take it.
        """
        store, path = self._reached
        folder, _, last = f"{path}/{name}".rpartition("/")
        at_once = store.type_name in _AT_ONCE
        target = f"{folder}/{last}" if at_once else f"{folder}/.{last}.tmp"
        if not at_once:
            store.create_dir(folder, recursive=True)
        with store.open_output_stream(target, compression=None) as stream:
            stream.write(data)
        if not at_once:
            store.move(target, f"{folder}/{last}")

    def remove(self, name: str) -> None:
        """Remove a file; none of that name is as well.

        Raises:
            OSError: If the store refuses.
        """
        store, path = self._reached
        try:
            store.delete_file(f"{path}/{name}")
        except FileNotFoundError:
            return

    def files(self) -> Mapping[str, Stored]:
        """Every file by name, those below folders as `folder/name`; drafts and other hidden ones left out.

        Raises:
            OSError: If it cannot be listed.
        """
        from pyarrow import fs

        store, path = self._reached
        found = store.get_file_info(fs.FileSelector(path, recursive=True, allow_not_found=True))
        files = {info.path.removeprefix(f"{path}/"): info for info in found if info.type == fs.FileType.File}
        return {
            name: Stored(n_bytes=info.size, mtime_ns=info.mtime_ns)
            for name, info in files.items()
            if not any(part.startswith(".") or not part for part in name.split("/"))
        }
