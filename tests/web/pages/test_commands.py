"""The commands on a job's page work, and request the same."""

import html
import json
import re
import shlex
from typing import Any

import click
import pytest

from cli.common.items import nest_items
from cli.common.options import given_options
from cli.main import main
from shared.requests.options import ClassicRequest, StreamRequest
from shared.requests.writing import GenerateRequest
from tests.web.world import World


def commands_of(world: World, job_id: str) -> tuple[list[str], list[str]]:
    """Return the words of the two commands on a job's page: charloom's, curl's."""
    page = world.http.get(f"/jobs/{job_id}").text
    found = re.findall(r'<pre class="code"[^>]*>(.*?)</pre>', page, re.DOTALL)
    charloom, curl = (shlex.split(html.unescape(one)) for one in found)
    return charloom, curl


def understood(words: list[str]) -> dict[str, Any]:
    """Have the command line read its words; return the fields of a request that they give."""
    command = main.get_command(click.Context(main), words[1])
    assert command is not None
    parsed = command.make_context(words[1], words[2:]).params
    asked = {"text", "model", "following", "url", "as_json", "json"}
    return nest_items(given_options({name: value for name, value in parsed.items() if name not in asked}))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"recipe": "classic", "epochs": 3, "dropout": 0.0},
        {
            "name": "Zoë's “loom” $HOME",
            "lowercase": False,
            "hidden_size": 48,
            "learning_rate": 0.0015,
            "max_seconds": 30,
        },
    ],
)
def test_the_commands_of_a_training_ask_for_the_same(world: World, options: dict[str, Any]) -> None:
    corpus_id = world.corpus()
    params = world.train(corpus_id, **options).json["params"]
    job_id = world.get("/jobs").json["data"][0]["id"]
    charloom, curl = commands_of(world, job_id)
    assert charloom[:3] == ["charloom", "train", corpus_id]
    assert charloom[-1] == "--follow"
    kind = ClassicRequest if options.get("recipe") == "classic" else StreamRequest
    again = kind.model_validate({"recipe": params["recipe"], "corpus_id": corpus_id, **understood(charloom)})
    for asked in (again, kind.model_validate(json.loads(curl[-1]))):
        assert asked.model_dump(mode="json", exclude={"webhook"}) == params


def test_the_commands_of_a_writing_ask_for_the_same(world: World) -> None:
    prompt = "the 'wind'\nwas -- in"
    model = world.model(text=prompt)
    job = world.write(model.id, prompt=prompt, n=3, temperature=1.25, stop=["the", "in"], unknown_chars="drop").json
    charloom, curl = commands_of(world, job["id"])
    again = GenerateRequest.model_validate({"model_id": charloom[2], **understood(charloom)})
    assert again.model_dump(mode="json") == job["params"]
    assert GenerateRequest.model_validate(json.loads(curl[-1])).model_dump(mode="json") == job["params"]


def test_the_commands_of_a_list_ask_for_the_same(world: World) -> None:
    model = world.model(world.corpus())
    items = {"count": 30, "unique": False, "new": True, "min_chars": 2, "separator": "\n"}
    job = world.write(model.id, seed=3, items=items).json
    charloom, curl = commands_of(world, job["id"])
    assert charloom[3:5] == ["--items", "30"]
    for given in ({"model_id": charloom[2], **understood(charloom)}, json.loads(curl[-1])):
        again = GenerateRequest.model_validate(given)
        assert again.model_dump(mode="json", exclude={"length"}) == job["params"]
