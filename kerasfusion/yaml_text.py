"""YAML that comes from outside: no key twice, and neither aliases nor nesting that make a small text a huge value."""

import json
from functools import partial
from typing import Any

import yaml

DEEPEST = 50
"""Levels of nesting; a configuration has four."""
MOST_REPEATED = 10_000
"""Values that aliases may add to those that are written."""


def parse_yaml(text: str, name: str = "the text") -> Any:
    """Read YAML of plain values.

    Args:
        text: the YAML.
        name: of the file that it is from, for messages.

    Raises:
        yaml.YAMLError: not YAML, a value that its kind does not allow (as 2024-13-45), a key twice in one mapping,
            nested deeper than DEEPEST, or aliases that repeat more than MOST_REPEATED values; names the line.
    """
    try:
        return yaml.load(text, partial(_BoundedLoader, name=name))  # a SafeLoader
    except (ValueError, TypeError, AttributeError, LookupError, OverflowError) as error:
        raise yaml.YAMLError(f"a value is not of its kind: {error}") from error


def parse_setting_value(text: str) -> Any:
    """As `parse_yaml`, of a value on the command line, where # begins no comment: such a value is one text.

    Raises:
        yaml.YAMLError: as `parse_yaml`.
    """
    value = parse_yaml(text)  # first: where nesting is too deep, scanning alone would take long
    ends = [token.end_mark.index for token in yaml.scan(text) if not isinstance(token, _NO_CONTENT)]
    return text.strip() if text[max(ends, default=0) :].strip() else value


def setting_value(text: str) -> str:
    """What stands for a text on the command line, so that `parse_setting_value` reads the text back: 7 needs quotes."""
    try:
        is_plain = parse_setting_value(text) == text
    except yaml.YAMLError:
        is_plain = False
    return text if is_plain else json.dumps(text, ensure_ascii=False)  # JSON is YAML


_NO_CONTENT = (yaml.StreamStartToken, yaml.StreamEndToken, yaml.BlockEndToken)


class _BoundedLoader(yaml.SafeLoader):
    def __init__(self, text: str, name: str):
        try:
            super().__init__(text)
        except yaml.reader.ReaderError as error:  # it looks at every character at once
            error.name = name
            raise
        self.name = name
        self._depth, self._composed, self._repeated = 0, 0, 0
        self._sizes: dict[int, int] = {}

    def compose_node(self, parent, index):
        if self.check_event(yaml.AliasEvent):
            return self._repeat(parent, index)
        self._depth += 1
        if self._depth > DEEPEST:
            raise yaml.composer.ComposerError(
                None, None, f"nested deeper than {DEEPEST} levels", self.peek_event().start_mark
            )
        before = self._composed + self._repeated
        self._composed += 1
        node = super().compose_node(parent, index)
        self._sizes[id(node)] = self._composed + self._repeated - before
        self._depth -= 1
        return node

    def compose_mapping_node(self, anchor):
        node = super().compose_mapping_node(anchor)
        first: dict[tuple[str, str], yaml.Mark] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            mark = first.setdefault((key.tag, key.value), key.start_mark)
            if mark is not key.start_mark:
                lines = f"lines {mark.line + 1} and {key.start_mark.line + 1}"
                raise yaml.composer.ComposerError(
                    None, None, f"{key.value[:100]} stands twice, in {lines}: the first would be lost", key.start_mark
                )
        return node

    def _repeat(self, parent, index):
        mark = self.peek_event().start_mark
        node = super().compose_node(parent, index)
        if id(node) not in self._sizes:
            raise yaml.composer.ComposerError(None, None, "an alias stands for what it is itself a part of", mark)
        self._repeated += self._sizes[id(node)]
        if self._repeated > MOST_REPEATED:
            raise yaml.composer.ComposerError(None, None, f"aliases repeat more than {MOST_REPEATED:,} values", mark)
        return node
