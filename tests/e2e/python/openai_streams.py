"""OpenAI's client: whole and streamed answers, usage, and what a model thinks."""

import json
import os

from openai import OpenAI

client = OpenAI(base_url=os.environ["BASE_URL"], api_key=os.environ["API_KEY"], max_retries=0)


def ask(question, **more):
    messages = [{"role": "user", "content": question}]
    return client.chat.completions.create(model="simulated", messages=messages, **more)


whole = ask(os.environ["WHOLE"]).choices[0].message.content
pieces, thoughts, usage = [], [], None
for chunk in ask(os.environ["STREAM"], stream=True, stream_options={"include_usage": True}):
    usage = chunk.usage or usage
    for choice in chunk.choices:
        pieces.append(choice.delta.content or "")
        thoughts.append(getattr(choice.delta, "reasoning_content", None) or "")
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
