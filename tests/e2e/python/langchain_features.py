"""LangChain: a tool that is called and its result told, an answer by a schema, an image."""

import json
import os

from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

model = ChatOpenAI(model="simulated", base_url=os.environ["BASE_URL"], api_key=os.environ["API_KEY"], max_retries=0)


class Report(BaseModel):
    """The weather of a city."""

    city: str
    degrees: int


@tool
def weather(city: str) -> str:
    """The weather of a city."""
    return f"晴 in {city}"


helped = model.bind_tools([weather])
messages = [HumanMessage(os.environ["TOOL"])]
first = helped.invoke(messages)
(call,) = first.tool_calls
messages += [first, weather.invoke(call)]
second = helped.invoke(messages)

parsed = model.with_structured_output(Report).invoke(os.environ["OBJECT"])

image = {"type": "image_url", "image_url": {"url": os.environ["IMAGE"]}}
seen = model.invoke([HumanMessage([{"type": "text", "text": os.environ["LOOK"]}, image])])
print(
    json.dumps(
        {
            "called": call["name"],
            "answer": second.content,
            "object": parsed.model_dump(),
            "seen": seen.content,
        }
    )
)
