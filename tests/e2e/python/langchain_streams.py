"""LangChain: whole and streamed answers, and usage. Its client of OpenAI shows no thoughts, but counts them."""

import json
import os

from langchain_openai import ChatOpenAI

model = ChatOpenAI(
    model="simulated",
    base_url=os.environ["BASE_URL"],
    api_key=os.environ["API_KEY"],
    max_retries=0,
    stream_usage=True,
)
whole = model.invoke(os.environ["WHOLE"]).content
pieces, total = [], None
for chunk in model.stream(os.environ["STREAM"]):
    pieces.append(chunk.content)
    total = chunk if total is None else total + chunk
print(
    json.dumps(
        {
            "whole": whole,
            "pieces": [piece for piece in pieces if piece],
            "completion_tokens": total.usage_metadata["output_tokens"],
            "reasoning_tokens": total.usage_metadata["output_token_details"]["reasoning"],
        }
    )
)
