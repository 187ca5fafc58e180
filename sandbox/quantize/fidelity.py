"""What quantising costs: both models read the same text, and what they expect next is compared.

llama.cpp gives the most likely next tokens of a position with their log-probabilities. Over the positions of a text:
*perplexity*, by the probability of the token that really follows; how often both expect the same token; and how far
apart their log-probabilities of the likely tokens are.
"""

import argparse
import asyncio
import json
import math
import os
import sys
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# Public domain, and known to every model: differences are the weights', not the text's.
TEXT = (
    "It is a truth universally acknowledged, that a single man in possession of a good fortune, must be in want of a "
    "wife. However little known the feelings or views of such a man may be on his first entering a neighbourhood, this "
    "truth is so well fixed in the minds of the surrounding families, that he is considered as the rightful property "
    "of some one or other of their daughters. My dear Mr. Bennet, said his lady to him one day, have you heard that "
    "Netherfield Park is let at last? Mr. Bennet replied that he had not."
)

# How many likely tokens of a position are compared.
_TOP = 50

_CONTEXT_TOKENS = 512


@dataclass(frozen=True, slots=True)
class Position:
    """What a model expects after a prefix: token → log-probability, the most likely first; and what really follows."""

    expected: dict[int, float]
    follows: int

    @property
    def follows_logprob(self) -> float:
        """The log-probability of what follows; of a token that is not listed, the least listed one's, which is more."""
        return self.expected.get(self.follows, min(self.expected.values()))


@dataclass(frozen=True, slots=True)
class Report:
    """Two models side by side.

    Attributes:
        positions: How many prefixes were compared.
        perplexity_before: Of the first model; of tokens that are far from likely, at most so much.
        perplexity_after: Of the second.
        same_first: The share of positions at which both find the same token the most likely, 0 to 1.
        mean_difference: The mean distance of the log-probabilities of the tokens that both list, in nats.
    """

    positions: int
    perplexity_before: float
    perplexity_after: float
    same_first: float
    mean_difference: float


def compare(before: Sequence[Position], after: Sequence[Position]) -> Report:
    """Compare what two models expect at the same positions of the same text."""
    differences = [
        abs(logprob - b.expected[token])
        for a, b in zip(before, after, strict=True)
        for token, logprob in a.expected.items()
        if token in b.expected
    ]
    same = sum(next(iter(a.expected)) == next(iter(b.expected)) for a, b in zip(before, after, strict=True))
    return Report(
        positions=len(before),
        perplexity_before=_perplexity(before),
        perplexity_after=_perplexity(after),
        same_first=same / len(before),
        mean_difference=sum(differences) / len(differences),
    )


def _perplexity(positions: Sequence[Position]) -> float:
    return math.exp(-sum(position.follows_logprob for position in positions) / len(positions))


async def measure(model: Path, positions_max: int) -> list[Position]:
    """What the model in this file expects along the text; in a process of its own, which gives its memory back.

    Raises:
        RuntimeError: llama.cpp cannot load it.
    """
    argv = [sys.executable, "-m", "sandbox.quantize.fidelity", str(model), str(positions_max)]
    process = await asyncio.create_subprocess_exec(
        *argv, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        printed, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise RuntimeError(f"llama.cpp cannot run {model}: is it a model that it knows?")
    return [
        Position({int(token): logprob for token, logprob in expected}, follows)
        for expected, follows in json.loads(printed.splitlines()[-1])
    ]


def _expectations(model: Path, positions_max: int) -> list[tuple[list[tuple[int, float]], int]]:
    import xllamacpp  # loads llama.cpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(model)
    parameters.n_ctx = _CONTEXT_TOKENS
    parameters.n_parallel = 1
    parameters.warmup = False
    server = xllamacpp.Server(parameters)
    tokens = _tokens(server.listening_address)
    found = []
    for end in range(1, min(len(tokens), positions_max + 1)):
        question = {"prompt": tokens[:end], "n_predict": 1, "n_probs": _TOP, "cache_prompt": True, "temperature": 0}
        likely = server.handle_completions(question)["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        found.append(([(each["id"], each["logprob"]) for each in likely], tokens[end]))
    return found


def _tokens(address: str) -> list[int]:
    body = json.dumps({"content": TEXT}).encode()
    request = urllib.request.Request(f"{address}/tokenize", body, {"Content-Type": "application/json"})  # noqa: S310  # llama.cpp's own address on this machine
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  # as above
        tokens: list[int] = json.load(answer)["tokens"]
    return tokens


def main() -> None:
    """Print what a model expects, for `measure`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("positions_max", type=int)
    arguments = parser.parse_args()
    print(json.dumps(_expectations(arguments.model, arguments.positions_max)), flush=True)
    # llama.cpp's own shutdown has nothing to save, and takes its time.
    os._exit(0)


if __name__ == "__main__":
    main()
