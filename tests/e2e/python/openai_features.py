"""OpenAI's client: a tool that is called and its result told, an answer by a schema, an image."""

import json
import os

from openai import OpenAI
from pydantic import BaseModel

client = OpenAI(base_url=os.environ["BASE_URL"], api_key=os.environ["API_KEY"], max_retries=0)


class Report(BaseModel):
    city: str
    degrees: int


parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
tools = [{"type": "function", "function": {"name": "weather", "parameters": parameters}}]
messages = [{"role": "user", "content": os.environ["TOOL"]}]
first = client.chat.completions.create(model="simulated", messages=messages, tools=tools).choices[0]
(call,) = first.message.tool_calls
result = f"晴 in {json.loads(call.function.arguments)['city']}"
messages += [first.message, {"role": "tool", "tool_call_id": call.id, "content": result}]
second = client.chat.completions.create(model="simulated", messages=messages, tools=tools).choices[0]

asked = [{"role": "user", "content": os.environ["OBJECT"]}]
parsed = client.chat.completions.parse(model="simulated", messages=asked, response_format=Report).choices[0]

image = {"type": "image_url", "image_url": {"url": os.environ["IMAGE"]}}
shown = [{"role": "user", "content": [{"type": "text", "text": os.environ["LOOK"]}, image]}]
seen = client.chat.completions.create(model="simulated", messages=shown).choices[0]
print(
    json.dumps(
        {
            "called": call.function.name,
            "answer": second.message.content,
            "object": parsed.message.parsed.model_dump(),
            "seen": seen.message.content,
        }
    )
)
