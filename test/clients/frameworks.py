"""Cases of frameworks on top of OpenAI's and Anthropic's clients: `frameworks.py URL CLIENT,CLIENT` runs those of these clients."""

from clients import (
    City,
    LIMIT,
    MODEL,
    QUESTION,
    TOO_LONG,
    TooSmall,
    USER,
    URL,
    V1,
    WEATHER,
    case,
    expect,
    expect_error,
    run,
    too_small,
)

DESCRIBE = "Describe Paris."


def describe():
    return [{"role": "user", "content": DESCRIBE}]


# litellm -----------------------------------------------------------------------------------------


def litellm_completion(**more):
    import litellm

    litellm.suppress_debug_info = True
    asked = {"model": f"openai/{MODEL}", "api_base": V1, "max_tokens": LIMIT, "num_retries": 0}
    return litellm.completion(**{**asked, "messages": USER, **more})


@case("litellm", "chat")
def _():
    expect(litellm_completion().choices[0].message.content, "no content")


@case("litellm", "chat, by anthropic/")
def _():
    answer = litellm_completion(model=f"anthropic/{MODEL}", api_base=URL, api_key="none")
    expect(answer.choices[0].message.content, "no content")


@case("litellm", "stream")
def _():
    chunks = list(litellm_completion(stream=True))
    expect("".join(chunk.choices[0].delta.content or "" for chunk in chunks), "no content")


@case("litellm", "tools")
def _():
    tools = [{"type": "function", "function": WEATHER}]
    asked = {"tools": tools, "parallel_tool_calls": False}
    message = litellm_completion(tool_choice="required", **asked).choices[0].message
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "18 degrees"}
    answer = litellm_completion(messages=[*USER, message.model_dump(), result], **asked)
    expect(answer.choices[0].finish_reason, "no end")


@case("litellm", "JSON schema")
def _():
    answer = litellm_completion(messages=describe(), response_format=City)
    City.model_validate_json(answer.choices[0].message.content)


@case("litellm", "embeddings")
def _():
    import litellm

    answer = litellm.embedding(model=f"openai/{MODEL}", api_base=V1, input=["a", "b"])
    expect(len(answer.data) == 2, "no vectors")


@case("litellm", "errors")
def _():
    import litellm

    expect_error(litellm.BadRequestError, lambda: litellm_completion(temperature=9), "temperature")


@case("litellm", "prompt too long")
def _():
    import litellm

    anthropic = {"model": f"anthropic/{MODEL}", "api_base": URL, "api_key": "none"}
    for api in ({}, anthropic):
        expect_error(
            litellm.ContextWindowExceededError,
            lambda: litellm_completion(messages=[{"role": "user", "content": TOO_LONG}], **api),
            "too long",
        )


# langchain-openai --------------------------------------------------------------------------------


def langchain_chat(**more):
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(model=MODEL, max_tokens=LIMIT, max_retries=0, **more)


@case("langchain-openai", "chat")
def _():
    expect(langchain_chat().invoke(QUESTION).content, "no content")
    expect(langchain_chat(use_responses_api=True).invoke(QUESTION).text, "no content of responses")


@case("langchain-openai", "stream")
def _():
    expect("".join(str(chunk.text) for chunk in langchain_chat().stream(QUESTION)), "no content")


@case("langchain-openai", "tools")
def _():
    from langchain_core.messages import HumanMessage, ToolMessage

    tool = {"type": "function", "function": WEATHER}
    turns = [HumanMessage(QUESTION)]
    chosen = {"tool_choice": "required", "parallel_tool_calls": False}
    turns.append(langchain_chat().bind_tools([tool], **chosen).invoke(turns))
    for call in turns[1].tool_calls:
        turns.append(ToolMessage("18 degrees", tool_call_id=call["id"]))
    expect(len(turns) > 2, "no call")
    langchain_chat().bind_tools([tool]).invoke(turns)


@case("langchain-openai", "JSON schema")
def _():
    chat = langchain_chat().with_structured_output(City, method="json_schema")
    expect(isinstance(chat.invoke(DESCRIBE), City), "not parsed")
    tool = langchain_chat().with_structured_output(City, method="function_calling")
    expect(isinstance(tool.invoke(DESCRIBE), City), "not parsed from a call")


@case("langchain-openai", "completions of a list")
def _():
    from langchain_openai import OpenAI

    model = OpenAI(model=MODEL, max_tokens=8, max_retries=0)
    expect(len(model.generate(["Once", "Twice"]).generations) == 2, "not one a prompt")


@case("langchain-openai", "embeddings")
def _():
    from langchain_openai import OpenAIEmbeddings

    # With the check it fetches OpenAI's tokenizer.
    vectors = OpenAIEmbeddings(model=MODEL, check_embedding_ctx_length=False)
    expect(len(vectors.embed_documents(["a", "b"])) == 2, "no vectors")


@case("langchain-openai", "errors")
def _():
    import openai

    chat = langchain_chat(temperature=9)
    expect_error(openai.BadRequestError, lambda: chat.invoke(QUESTION), "temperature")


@case("langchain-openai", "prompt too long")
def _():
    from langchain_core.exceptions import ContextOverflowError

    for responses in (False, True):
        chat = langchain_chat(use_responses_api=responses)
        expect_error(ContextOverflowError, lambda: chat.invoke(TOO_LONG), "too long")


# pydantic-ai -------------------------------------------------------------------------------------


def pydantic_agent(api="chat", **more):
    from pydantic_ai import Agent, ModelSettings
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel

    models = {"chat": OpenAIChatModel, "responses": OpenAIResponsesModel}
    model = {**models, "anthropic": AnthropicModel}[api](MODEL)
    # One call an answer: a small model writes calls until the limit cuts one.
    settings = ModelSettings(max_tokens=LIMIT, temperature=0, parallel_tool_calls=False)
    return Agent(model, model_settings=settings, **more)


@case("pydantic-ai-slim", "chat")
def _():
    for api in ("chat", "responses", "anthropic"):
        expect(pydantic_agent(api).run_sync(QUESTION).output, f"no content of {api}")


@case("pydantic-ai-slim", "stream")
async def _():
    for api in ("chat", "responses", "anthropic"):
        async with pydantic_agent(api).run_stream(QUESTION) as stream:
            expect(await stream.get_output(), f"no content of {api}")


@case("pydantic-ai-slim", "tools")
def _():
    called = []

    def get_weather(city: str) -> str:
        """The current weather of a city."""
        called.append(city)
        return "18 degrees, light rain"

    from pydantic_ai import UsageLimitExceeded, UsageLimits

    agent = pydantic_agent(tools=[get_weather])
    with too_small("calls the tool again and again", UsageLimitExceeded):
        agent.run_sync(QUESTION, usage_limits=UsageLimits(request_limit=4))
    if not called:
        raise TooSmall("answered without the tool")


@case("pydantic-ai-slim", "JSON schema")
def _():
    from pydantic_ai import NativeOutput

    for api in ("chat", "responses"):
        for output in (City, NativeOutput(City)):
            answer = pydantic_agent(api, output_type=output).run_sync(DESCRIBE)
            expect(isinstance(answer.output, City), f"not parsed from {api}")


@case("pydantic-ai-slim", "JSON schema beside tools")
def _():
    from pydantic_ai import NativeOutput, UsageLimitExceeded, UsageLimits

    def get_weather(city: str) -> str:
        """The current weather of a city."""
        return "18 degrees"

    agent = pydantic_agent(output_type=NativeOutput(City), tools=[get_weather])
    with too_small("calls the tool again and again", UsageLimitExceeded):
        answer = agent.run_sync(DESCRIBE, usage_limits=UsageLimits(request_limit=4))
        expect(isinstance(answer.output, City), "not parsed")


@case("pydantic-ai-slim", "errors")
def _():
    from pydantic_ai.exceptions import ModelHTTPError

    agent = pydantic_agent()
    wrong = {"temperature": 9}
    expect_error(
        ModelHTTPError, lambda: agent.run_sync(QUESTION, model_settings=wrong), "temperature"
    )


@case("pydantic-ai-slim", "prompt too long")
def _():
    from pydantic_ai.exceptions import ModelContextWindowExceededError

    for api in ("chat", "responses", "anthropic"):
        agent = pydantic_agent(api)
        expect_error(
            ModelContextWindowExceededError, lambda: agent.run_sync(TOO_LONG), "too long"
        )


# openai-agents -----------------------------------------------------------------------------------


ONE_CALL = {"tool_choice": "required", "parallel_tool_calls": False}


def agent_of(api="responses", **more):
    from agents import Agent, ModelSettings, OpenAIChatCompletionsModel, OpenAIResponsesModel
    from openai import AsyncOpenAI

    kind = OpenAIResponsesModel if api == "responses" else OpenAIChatCompletionsModel
    model = kind(model=MODEL, openai_client=AsyncOpenAI(max_retries=0))
    settings = more.pop("settings", {})
    settings = ModelSettings(**{"max_tokens": LIMIT, "temperature": 0, **settings})
    return Agent(name="guide", model=model, model_settings=settings, **more)


@case("openai-agents", "chat")
def _():
    from agents import Runner

    for api in ("responses", "chat"):
        expect(Runner.run_sync(agent_of(api), QUESTION).final_output, f"no content of {api}")


@case("openai-agents", "stream")
async def _():
    from agents import Runner

    for api in ("responses", "chat"):
        result = Runner.run_streamed(agent_of(api), QUESTION)
        expect([event async for event in result.stream_events()], "no events")
        expect(result.final_output, f"no content of {api}")


@case("openai-agents", "tools")
def _():
    from agents import MaxTurnsExceeded, Runner, function_tool

    for api in ("responses", "chat"):
        called = []

        @function_tool
        def get_weather(city: str) -> str:
            """The current weather of a city."""
            called.append(city)
            return "18 degrees, light rain"

        agent = agent_of(api, tools=[get_weather], settings=ONE_CALL)
        with too_small("calls the tool again and again", MaxTurnsExceeded):
            Runner.run_sync(agent, QUESTION, max_turns=4)
        expect(called, f"no call of {api}")


@case("openai-agents", "JSON schema")
def _():
    from agents import Runner

    for api in ("responses", "chat"):
        answer = Runner.run_sync(agent_of(api, output_type=City), DESCRIBE)
        expect(isinstance(answer.final_output, City), f"not parsed from {api}")


@case("openai-agents", "errors")
def _():
    import openai
    from agents import Runner

    agent = agent_of(settings={"temperature": 9})
    expect_error(openai.BadRequestError, lambda: Runner.run_sync(agent, QUESTION), "temperature")


# instructor --------------------------------------------------------------------------------------


def instructor_case(mode):
    @case("instructor", f"JSON schema, {mode}")
    def _():
        import instructor
        import openai

        client = instructor.from_openai(openai.OpenAI(), mode=getattr(instructor.Mode, mode))
        asked = {"model": MODEL, "messages": describe(), "max_tokens": LIMIT, "max_retries": 0}
        city = client.chat.completions.create(response_model=City, **asked)
        expect(isinstance(city, City), "not parsed")


for each in ("TOOLS", "TOOLS_STRICT", "JSON", "JSON_SCHEMA", "MD_JSON"):
    instructor_case(each)


@case("instructor", "stream")
def _():
    import instructor
    import openai

    client = instructor.from_openai(openai.OpenAI(), mode=instructor.Mode.JSON_SCHEMA)
    asked = {"model": MODEL, "messages": describe(), "max_tokens": LIMIT}
    parts = list(client.chat.completions.create_partial(response_model=City, **asked))
    expect(parts and parts[-1].name is not None, "no parts")


@case("instructor", "errors")
def _():
    import instructor
    import openai
    from instructor.core import InstructorRetryException

    client = instructor.from_openai(openai.OpenAI(max_retries=0))
    asked = {"model": MODEL, "messages": describe(), "temperature": 9, "max_retries": 0}
    create = client.chat.completions.create
    expect_error(
        InstructorRetryException, lambda: create(response_model=City, **asked), "temperature"
    )


run()
