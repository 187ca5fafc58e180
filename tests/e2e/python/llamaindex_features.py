"""LlamaIndex: a tool that is called and its result told, an answer by a schema, an image."""

import json
import os

from llama_index.core.llms import ChatMessage, ImageBlock, TextBlock
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel

model = OpenAILike(
    model="simulated",
    api_base=os.environ["BASE_URL"],
    api_key=os.environ["API_KEY"],
    is_chat_model=True,
    is_function_calling_model=True,
    should_use_structured_outputs=True,
    max_retries=0,
)


class Report(BaseModel):
    """The weather of a city."""

    city: str
    degrees: int


def weather(city: str) -> str:
    """The weather of a city."""
    return f"晴 in {city}"


tool = FunctionTool.from_defaults(weather)
messages = [ChatMessage(role="user", content=os.environ["TOOL"])]
first = model.chat_with_tools([tool], chat_history=messages)
(call,) = model.get_tool_calls_from_response(first)
result = tool.call(**call.tool_kwargs).content
said = ChatMessage(role="tool", content=result, additional_kwargs={"tool_call_id": call.tool_id})
messages += [first.message, said]
second = model.chat_with_tools([tool], chat_history=messages, allow_parallel_tool_calls=True)

parsed = model.structured_predict(Report, PromptTemplate(os.environ["OBJECT"]))

blocks = [TextBlock(text=os.environ["LOOK"]), ImageBlock(url=os.environ["IMAGE"])]
seen = model.chat([ChatMessage(role="user", blocks=blocks)])
print(
    json.dumps(
        {
            "called": call.tool_name,
            "answer": second.message.content,
            "object": parsed.model_dump(),
            "seen": seen.message.content,
        }
    )
)
