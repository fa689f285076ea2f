"""Judges `/openai/v1` with OpenAI's own client: one JSON line for each check. Run by that client's environment."""

import json
import os
import sys

import openai

client = openai.OpenAI(api_key=os.environ["KEY"], base_url=os.environ["BASE"], max_retries=0)


def tell(name: str, value: object) -> None:
    sys.stdout.write(json.dumps({"name": name, "value": value}) + "\n")


tell("models", [model.id for model in client.models.list()])
messages = [{"role": "user", "content": "grüezi mitenand"}]
whole = client.chat.completions.create(model="tiny", messages=messages)  # type: ignore[arg-type]
tell("chat", whole.choices[0].message.content)
stream = client.chat.completions.create(model="tiny", messages=messages, stream=True)  # type: ignore[arg-type]
tell("stream", [chunk.choices[0].delta.content for chunk in stream])
try:
    client.chat.completions.create(model="wrong", messages=messages)  # type: ignore[arg-type]
except openai.NotFoundError as error:
    tell("not found", error.status_code)
try:
    client.with_options(api_key="other").models.list()
except openai.AuthenticationError as error:
    tell("wrong key", error.status_code)
