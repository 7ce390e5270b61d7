"""Stands in for the model hub."""

from types import SimpleNamespace


class FakeHub:
    """What HfApi does of it, noting what it was asked."""

    def __init__(self, private=False):
        self.calls, self.private = [], private

    def create_repo(self, repo, **options):
        self.calls.append(("create", repo, options["private"]))

    def repo_info(self, repo, **options):
        return SimpleNamespace(private=self.private)

    def upload_folder(self, **options):
        self.calls.append(("upload", options["repo_id"], options["allow_patterns"], options["commit_message"]))
        return SimpleNamespace(commit_url="https://huggingface.co/me/cones/commit/1")
