"""Reads `policy.toml`, and refuses what is unknown, of the wrong kind, or makes no sense."""

import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import msgspec

from services.moderation.domain import LABELS
from services.moderation.layers.policy import (
    LABEL_OF_CATEGORY,
    LayerPolicy,
    LearnedPolicy,
    OpenAIPolicy,
    OutputPolicy,
    Policy,
)
from services.runtime.errors import ConfigurationError

# What numbers may be, by the last part of their key.
_RANGES: Mapping[str, tuple[float, float]] = {
    "ask_input": (0, 1),
    "ask_output": (0, 1),
    "timeout_s": (0.25, 60),
    "concurrent_max": (1, 1024),
    "breaker_failures": (1, 1000),
    "breaker_open_s": (0.1, 3600),
    "cache_ttl_s": (0, 86_400 * 7),
    "text_characters_max": (16, 100_000),
    "pieces_max": (1, 64),
    "scene": (1, 4),
    "per_minute": (10, 1_000_000),
    "per_day": (1, 1_000_000_000),
    "share_without_redis": (0, 1),
    "passage_characters": (20, 10_000),
    "overlap_characters": (0, 10_000),
}


def read_policy(path: Path) -> Policy:
    """Read the file; what it does not name is as `policy.toml` that ships says.

    Raises:
        ConfigurationError: It is missing or wrong; the sentence names the key.
    """
    try:
        return parse_policy(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read ({error.strerror}): check POLICY_FILE.") from None
    except ValueError as error:
        # Also what is no TOML, and what is no UTF-8.
        raise ConfigurationError(f"{path} is wrong: {error}") from None


def parse_policy(text: str) -> Policy:
    """Read a policy.

    Raises:
        ValueError: It is wrong; the message names the key.
    """
    document = tomllib.loads(text)
    _refuse_unknown("", document, Policy)
    for name, table in document.items():
        if isinstance(table, dict):
            _refuse_unknown(f"{name}.", table, type(getattr(Policy(), name)))
    try:
        policy = msgspec.convert(document, Policy)
    except msgspec.ValidationError as error:
        raise ValueError(str(error).replace("`$.", "`")) from None
    for name, part in (("wechat", policy.wechat), ("openai", policy.openai), ("output", policy.output)):
        _check_ranges(name, part)
    _check_learned(policy.learned)
    _check_layer("wechat", policy.wechat)
    _check_layer("openai", policy.openai)
    _check_wechat_labels(policy.wechat.risky_labels)
    _check_openai(policy.openai)
    _check_output(policy.output)
    return policy


def _refuse_unknown(prefix: str, table: Mapping[str, object], known: type) -> None:
    # msgspec lets dataclasses ignore what they do not know.
    names = {field.name for field in fields(known)}
    for key in table:
        _demand(key in names, f"{prefix}{key}", f"is not known; there are {', '.join(sorted(names))}.")


def _check_ranges(name: str, part: object) -> None:
    for key, (least, most) in _RANGES.items():
        value = getattr(part, key, None)
        if isinstance(value, int | float):
            _demand(least <= value <= most, f"{name}.{key}", f"must be from {least} to {most}.")


def _check_layer(name: str, layer: LayerPolicy) -> None:
    most = layer.text_characters_max // 2
    _demand(
        layer.overlap_characters <= most,
        f"{name}.overlap_characters",
        f"must be at most half of text_characters_max, {most}.",
    )


def _check_learned(learned: LearnedPolicy) -> None:
    for table, thresholds in (("refer", learned.refer), ("block", learned.block)):
        for label, threshold in thresholds.items():
            key = f"learned.{table}.{label}"
            _demand(label in map(str, LABELS), key, f"is not a label; there are {', '.join(map(str, LABELS))}.")
            _demand(0 < threshold <= 1, key, "must be above 0 and at most 1.")
    for label, threshold in learned.block.items():
        lower = learned.refer.get(label, 0.0)
        _demand(threshold >= lower, f"learned.block.{label}", f"must be at least learned.refer.{label}, {lower}.")


def _check_wechat_labels(labels: tuple[int, ...]) -> None:
    _demand(bool(labels), "wechat.risky_labels", "must name a label.")
    for label in labels:
        _check_label("wechat.risky_labels", label)


def _check_openai(openai: OpenAIPolicy) -> None:
    _demand(bool(openai.model), "openai.model", "must not be empty.")
    for category in (*openai.thresholds, *openai.labels):
        table = "thresholds" if category in openai.thresholds else "labels"
        _demand(
            category in LABEL_OF_CATEGORY,
            f"openai.{table}.{category}",
            f"is not a category; there are {', '.join(LABEL_OF_CATEGORY)}.",
        )
    for category, threshold in openai.thresholds.items():
        _demand(0 < threshold <= 1, f"openai.thresholds.{category}", "must be above 0 and at most 1.")
    for category, label in openai.labels.items():
        _check_label(f"openai.labels.{category}", label)


def _check_output(output: OutputPolicy) -> None:
    most = output.passage_characters // 2
    _demand(
        output.overlap_characters <= most,
        "output.overlap_characters",
        f"must be at most half of passage_characters, {most}.",
    )


def _check_label(key: str, label: int) -> None:
    _demand(label in LABELS, key, f"must be of WeChat's labels {', '.join(map(str, LABELS))}.")


def _demand(condition: bool, key: str, rule: str) -> None:
    if not condition:
        raise ValueError(f"{key} {rule}")
