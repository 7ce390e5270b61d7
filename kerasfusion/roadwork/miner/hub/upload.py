"""Put a folder on the Hugging Face hub."""

import glob
import re
from collections.abc import Sequence
from pathlib import Path

from kerasfusion.errors import KerasFusionError, RequestError, first_line, require

NAME = r"[A-Za-z0-9_-]+/[A-Za-z0-9_-]+"
"""What the subnet's validators take as a repository; the hub itself also knows names with dots."""

_LOG_IN = "log in with a token that may write: hf auth login (or set HF_TOKEN); https://huggingface.co/settings/tokens"
_TODO = {
    401: ("the hub does not know you", _LOG_IN),
    403: ("the hub does not let you write there", "take a repository of your own, and a token that may write"),
    404: ("the hub has no such owner, or hides it from you", _LOG_IN),
    413: ("the hub does not take files as large as these", None),
    429: ("the hub has had too many requests", "wait a while and run it again"),
}


def refuse_wrong_repository(repo: str) -> None:
    """Check the name of a repository, and that the hub's client is installed.

    Raises:
        RequestError: otherwise.
    """
    if not re.fullmatch(NAME, repo):
        raise RequestError(
            f"{repo!r} is no repository's name",
            where="--push",
            expected="owner/name of letters, digits, - and _: the subnet's validators read no others",
        )
    require("huggingface_hub", extra="train")


def push(folder: Path, files: Sequence[str], repo: str, private: bool, message: str, api=None) -> str:
    """Make the repository if it is not there, and upload the files in one commit.

    Args:
        folder: what `make_folder` made.
        files: names in it; nothing else is sent.
        repo: owner/name.
        private: only its owner may see it. A repository that is there and public is not written to then.
        message: of the commit.
        api: huggingface_hub.HfApi; None makes one that uses the token at hand.

    Returns:
        Address of the commit.

    Raises:
        RequestError: `private`, and the repository is public.
        KerasFusionError: not logged in, no rights, no network; the folder stays.
    """
    hub = require("huggingface_hub", extra="train")
    api = api or hub.HfApi()
    try:
        api.create_repo(repo, private=private or None, exist_ok=True, repo_type="model")
        if private and not api.repo_info(repo, repo_type="model").private:
            raise RequestError(
                "the repository is there already, and public", where=repo, todo="name another one, or drop --private"
            )
        names = [glob.escape(name) for name in files]
        done = api.upload_folder(
            repo_id=repo, folder_path=folder, allow_patterns=names, commit_message=message, repo_type="model"
        )
    except RequestError:
        raise
    except Exception as error:  # the client's own, its HTTP library's and the system's errors
        raise _explain(repo, folder, error) from error
    return done.commit_url


def _explain(repo: str, folder: Path, error: Exception) -> KerasFusionError:
    status = getattr(getattr(error, "response", None), "status_code", None)
    reason = f"{type(error).__name__}: {first_line(error)}"
    if type(error).__name__ == "LocalTokenNotFoundError":
        status = 401
    what, todo = _TODO.get(status, (None, None))
    if what is None and status is None:
        what = "the hub cannot be reached"
        todo = f"run it again with a network, or upload {folder} with the hub's web page"
    return KerasFusionError(f"not uploaded: {what or 'the hub refused'} ({reason})", where=repo, todo=todo)
