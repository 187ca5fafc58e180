"""LlamaIndex: whole and streamed answers, usage, and what a model thinks."""

import json
import os

from llama_index.core.llms import ChatMessage
from llama_index.llms.openai_like import OpenAILike

model = OpenAILike(
    model="simulated",
    api_base=os.environ["BASE_URL"],
    api_key=os.environ["API_KEY"],
    is_chat_model=True,
    max_retries=0,
)
whole = model.complete(os.environ["WHOLE"]).text
pieces, thoughts, usage = [], [], None
asked = [ChatMessage(role="user", content=os.environ["STREAM"])]
for chunk in model.stream_chat(asked, stream_options={"include_usage": True}):
    pieces.append(chunk.delta or "")
    thoughts.append(
        chunk.message.additional_kwargs.get("thinking_delta") or chunk.additional_kwargs.get("thinking_delta") or ""
    )
    usage = chunk.raw.usage or usage
print(
    json.dumps(
        {
            "whole": whole,
            "pieces": [piece for piece in pieces if piece],
            "thoughts": "".join(thoughts),
            "completion_tokens": usage.completion_tokens,
            "reasoning_tokens": usage.completion_tokens_details.reasoning_tokens,
        }
    )
)
