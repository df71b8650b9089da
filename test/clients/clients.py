"""Cases of Python clients against a running chat service, and those of openai and anthropic. frameworks.py has the others and runs all.

A case fails by an exception. `TooSmall` is one that the size of the model explains: the answer is well-formed, but the model did not do
what it was asked.
"""

import asyncio
import contextlib
import importlib.metadata
import json
import os
import sys
import traceback

from pydantic import BaseModel, Field

URL = sys.argv[1]
CLIENTS = sys.argv[2].split(",")
V1 = f"{URL}/v1"
MODEL = "served-here"
QUESTION = "What is the weather in Paris?"
USER = [{"role": "user", "content": QUESTION}]
# Longer than the context, which is at most 4,096 tokens by default.
TOO_LONG = "word " * 9000
# Tokens of a text, and of a call or JSON, which has to end.
SHORT = 24
LIMIT = 300

os.environ.update(
    OPENAI_API_KEY="none",
    OPENAI_BASE_URL=V1,
    ANTHROPIC_API_KEY="none",
    ANTHROPIC_BASE_URL=URL,
    OPENAI_AGENTS_DISABLE_TRACING="1",
    LITELLM_LOCAL_MODEL_COST_MAP="True",
)

CASES = []


class TooSmall(Exception):
    """The model did not do what it was asked."""


class City(BaseModel):
    name: str = Field(max_length=40)
    capital: bool


def case(client, name):
    def register(function):
        CASES.append((client, name, function))
        return function

    return register


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


@contextlib.contextmanager
def too_small(what, *errors):
    """These errors are the client's words for what a small model does."""
    try:
        yield
    except errors as error:
        raise TooSmall(what) from error


def expect_error(kind, function, says):
    """The client's own error class, with the service's sentence, or its code."""
    try:
        function()
    except kind as error:
        told = f"{getattr(error, 'code', None)}: {error}"
        expect(says in told, f"the error lacks {says!r}: {told}")
        return
    raise AssertionError(f"no {kind.__name__}")


WEATHER = {
    "name": "get_weather",
    "description": "The current weather of a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 40}},
        "required": ["city"],
        "additionalProperties": False,
    },
}


# openai ------------------------------------------------------------------------------------------


def openai_client():
    import openai

    return openai.OpenAI(max_retries=0)


@case("openai", "chat")
def _():
    answer = openai_client().chat.completions.create(model=MODEL, messages=USER, max_tokens=SHORT)
    expect(answer.choices[0].message.content, "no content")
    expect(answer.usage.total_tokens > 0, "no usage")


@case("openai", "stream")
def _():
    options = {"stream": True, "stream_options": {"include_usage": True}}
    chunks = list(
        openai_client().chat.completions.create(
            model=MODEL, messages=USER, max_tokens=SHORT, **options
        )
    )
    expect("".join(c.choices[0].delta.content or "" for c in chunks if c.choices), "no content")
    expect(chunks[-1].usage.completion_tokens > 0, "no usage")


@case("openai", "tools")
def _():
    create = openai_client().chat.completions.create
    tools = [{"type": "function", "function": WEATHER}]
    asked = {"model": MODEL, "tools": tools, "max_tokens": LIMIT, "parallel_tool_calls": False}
    message = create(messages=USER, tool_choice="required", **asked).choices[0].message
    expect("city" in json.loads(message.tool_calls[0].function.arguments), "no argument")
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": "18 degrees, light rain"}
        for call in message.tool_calls
    ]
    answer = create(messages=[*USER, message, *results], **asked)
    expect(answer.choices[0].finish_reason in ("stop", "length", "tool_calls"), "no end")


@case("openai", "tools, auto")
def _():
    tools = [{"type": "function", "function": WEATHER}]
    answer = openai_client().chat.completions.create(
        model=MODEL, messages=USER, tools=tools, max_tokens=LIMIT, temperature=0
    )
    if not answer.choices[0].message.tool_calls:
        raise TooSmall("answered without the tool")


@case("openai", "JSON schema")
def _():
    ask = [{"role": "user", "content": "Describe Paris."}]
    answer = openai_client().chat.completions.parse(
        model=MODEL, messages=ask, response_format=City, max_tokens=LIMIT
    )
    expect(isinstance(answer.choices[0].message.parsed, City), "not parsed")


@case("openai", "responses")
def _():
    client = openai_client()
    answer = client.responses.create(model=MODEL, input=QUESTION, max_output_tokens=SHORT)
    expect(answer.output_text, "no text")
    with client.responses.stream(model=MODEL, input=QUESTION, max_output_tokens=SHORT) as stream:
        types = [event.type for event in stream]
    expect(types[0] == "response.created", types[0])
    expect("response.output_text.delta" in types, "no text")
    expect(types[-1] in ("response.completed", "response.incomplete"), types[-1])
    parsed = client.responses.parse(
        model=MODEL, input="Describe Paris.", text_format=City, max_output_tokens=LIMIT
    )
    expect(isinstance(parsed.output_parsed, City), "not parsed")


@case("openai", "embeddings")
def _():
    data = openai_client().embeddings.create(model=MODEL, input=["a", "b"]).data
    expect(len(data) == 2 and len(data[0].embedding) > 8, "no vectors")


@case("openai", "errors")
def _():
    import openai

    create = openai_client().chat.completions.create
    expect_error(
        openai.BadRequestError,
        lambda: create(model=MODEL, messages=USER, temperature=9),
        "temperature",
    )


@case("openai", "prompt too long")
def _():
    import openai

    create = openai_client().chat.completions.create
    messages = [{"role": "user", "content": TOO_LONG}]
    expect_error(
        openai.BadRequestError,
        lambda: create(model=MODEL, messages=messages),
        "context_length_exceeded",
    )


# anthropic ---------------------------------------------------------------------------------------


def anthropic_client():
    import anthropic

    return anthropic.Anthropic(max_retries=0)


@case("anthropic", "chat")
def _():
    client = anthropic_client()
    answer = client.messages.create(model=MODEL, messages=USER, max_tokens=SHORT)
    expect(answer.content[0].text, "no text")
    expect(client.messages.count_tokens(model=MODEL, messages=USER).input_tokens > 0, "no count")


@case("anthropic", "stream")
def _():
    with anthropic_client().messages.stream(
        model=MODEL, messages=USER, max_tokens=SHORT
    ) as stream:
        expect("".join(stream.text_stream), "no text")
        expect(stream.get_final_message().stop_reason in ("end_turn", "max_tokens"), "no end")


@case("anthropic", "tools")
def _():
    create = anthropic_client().messages.create
    tool = {
        "name": WEATHER["name"],
        "description": WEATHER["description"],
        "input_schema": WEATHER["parameters"],
    }
    asked = {"model": MODEL, "tools": [tool], "max_tokens": LIMIT}
    answer = create(messages=USER, tool_choice={"type": "any", "disable_parallel_tool_use": True}, **asked)
    results = [
        {"type": "tool_result", "tool_use_id": block.id, "content": "18 degrees"}
        for block in answer.content
        if block.type == "tool_use"
    ]
    expect(results, "no call")
    turns = [
        {"role": "assistant", "content": answer.content},
        {"role": "user", "content": results},
    ]
    expect(create(messages=[*USER, *turns], **asked).stop_reason, "no end")


@case("anthropic", "JSON schema")
def _():
    ask = [{"role": "user", "content": "Describe Paris."}]
    answer = anthropic_client().messages.parse(
        model=MODEL, messages=ask, max_tokens=LIMIT, output_format=City
    )
    expect(isinstance(answer.parsed_output, City), "not parsed")


@case("anthropic", "errors")
def _():
    import anthropic

    create = anthropic_client().messages.create
    expect_error(
        anthropic.BadRequestError,
        lambda: create(
            model=MODEL, messages=USER, max_tokens=LIMIT, extra_body={"temperature": 9}
        ),
        "temperature",
    )


@case("anthropic", "prompt too long")
def _():
    import anthropic

    create = anthropic_client().messages.create
    messages = [{"role": "user", "content": TOO_LONG}]
    expect_error(
        anthropic.BadRequestError,
        lambda: create(model=MODEL, messages=messages, max_tokens=LIMIT),
        "prompt is too long",
    )


def run():
    """Prints one JSON object a case: client, version, case, error."""
    for client, name, function in CASES:
        if client not in CLIENTS:
            continue
        error = None
        try:
            result = function()
            if asyncio.iscoroutine(result):
                asyncio.run(result)
        except TooSmall as small:
            error = {"kind": "model", "text": str(small)}
        except Exception as failure:  # Each client has error classes of its own.
            traceback.print_exc(file=sys.stderr)
            error = {"kind": "failed", "text": f"{type(failure).__name__}: {failure}"}
        version = importlib.metadata.version(client)
        print(
            json.dumps({"client": client, "version": version, "case": name, "error": error}),
            flush=True,
        )
