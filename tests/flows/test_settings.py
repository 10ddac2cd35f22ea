"""Tests of the settings."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from graftwork.flows.prepare import resolve_strategy
from graftwork.flows.settings import RunSettings, make_settings, write_run_toml
from graftwork.programs.errors import ConfigError
from graftwork.programs.parse import parse
from graftwork.search.strategy import PROMPT_OPERATORS

from .scripted_task import made_task


def test_one_model_serves_both_roles_and_the_endpoint_comes_from_the_environment() -> None:
    settings = make_settings(model="small", values={}, environ={"OPENAI_BASE_URL": "http://127.0.0.1:1/v1"})
    assert settings.proposer == settings.task_model
    assert settings.proposer is not None
    assert settings.proposer.alias == "small@http://127.0.0.1:1/v1"


def test_without_a_model_there_is_no_endpoint() -> None:
    settings = make_settings(values={"candidates": 7}, environ={"OPENAI_BASE_URL": "http://127.0.0.1:1/v1"})
    assert (settings.proposer, settings.task_model, settings.candidates) == (None, None, 7)


@pytest.mark.parametrize(
    ("model", "options", "said"),
    [
        (None, {"base_url": "http://127.0.0.1:1"}, "add --model NAME"),
        (None, {"price": "1/2"}, "add --model NAME"),
        ("m", {"price": "cheap"}, "IN/OUT"),
        ("m", {"price": "1/2/3"}, "IN/OUT"),
    ],
)
def test_a_wrong_option_is_one_line_that_says_what_to_do(model: str | None, options: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        make_settings(model=model, **options, values={}, environ={})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("values", [{"candidates": 0}, {"window": -1}, {"seconds": 0}, {"pool": "cloud"}, {"budget_usd": -1.0}])
def test_a_value_out_of_range_is_one_line_that_names_it(values: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(values))) as caught:
        make_settings(values=values, environ={})
    assert "\n" not in str(caught.value)


def test_a_ceiling_in_dollars_needs_a_price() -> None:
    with pytest.raises(ConfigError, match="--price"):
        make_settings(model="m", values={"budget_usd": 1.0}, environ={})
    assert make_settings(model="m", price="0.1/0.4", values={"budget_usd": 1.0}, environ={}).budget_usd == 1.0


def test_run_toml_holds_every_setting_and_version_and_no_key(tmp_path: Path) -> None:
    settings = make_settings(model="m", values={"seed": 5}, environ={"OPENAI_API_KEY": "sk-secret"})
    write_run_toml(tmp_path / "run.toml", settings, task={"name": "t"}, strategy={"name": "model"}, models={"task": "m"})
    text = (tmp_path / "run.toml").read_text()
    document = tomllib.loads(text)
    assert RunSettings.model_validate(document["settings"]) == settings
    assert {"python", "graftwork", "ray", "prefect"} <= set(document["versions"])
    assert "sk-secret" not in text


def test_a_price_is_in_dollars_for_a_million_tokens() -> None:
    model = make_settings(model="m", price="2/10", values={}, environ={}).task_model
    assert model is not None
    assert model.price.usd(input_tokens=7, output_tokens=3) == pytest.approx(44e-6)


def test_one_price_does_not_stand_for_two_models() -> None:
    with pytest.raises(ConfigError, match="--price holds for one model"):
        make_settings(model="cheap", proposer="dear", price="0.1/0.4", values={}, environ={})


def test_several_proposers_have_their_own_prices_and_the_first_is_the_runs(tmp_path: Path) -> None:
    settings = make_settings(model="small", proposer=["dear=10/30", "small"], price="1/2", values={"budget_usd": 1.0}, environ={})
    assert [(one.model, one.price.output_usd_per_mtok) for one in settings.proposers] == [("dear", 30.0), ("small", 2.0)]
    assert settings.proposer == settings.proposers[0]
    assert settings.task_model is not None
    assert (settings.task_model.model, settings.task_model.price.input_usd_per_mtok) == ("small", 1.0)
    write_run_toml(tmp_path / "run.toml", settings, task={}, strategy={}, models={})
    assert RunSettings.model_validate(tomllib.loads((tmp_path / "run.toml").read_text())["settings"]) == settings


@pytest.mark.parametrize(
    ("model", "proposers", "price", "said"),
    [
        (None, ["a", "a=1/2"], None, "--proposer a is there twice"),
        ("m", ["a", "b=1/2"], "1/2", "write --proposer a=IN/OUT"),
        (None, ["a", "b"], "1/2", "write --proposer a=IN/OUT"),
        (None, ["a=1/2", "b"], None, "needs the price of b: write --proposer b=IN/OUT"),
        ("m", ["a=1/2"], None, "needs the price of m: add --price"),
        (None, ["=1/2"], None, "--proposer must be NAME or NAME=IN/OUT"),
    ],
)
def test_proposers_that_are_not_clear_are_one_line(model: str | None, proposers: list[str], price: str | None, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        make_settings(model=model, proposer=proposers, price=price, values={"budget_usd": 1.0}, environ={})
    assert "\n" not in str(caught.value)


def test_other_models_come_with_their_own_prices_and_into_run_toml(tmp_path: Path) -> None:
    settings = make_settings(model="small", price="1/2", values={"also_models": ["large=10/30", "free"]}, environ={})
    assert {name: price.output_usd_per_mtok for name, price in settings.named_models.items()} == {"small": 2.0, "large": 30.0, "free": 0.0}
    write_run_toml(tmp_path / "run.toml", settings, task={}, strategy={}, models={})
    assert RunSettings.model_validate(tomllib.loads((tmp_path / "run.toml").read_text())["settings"]) == settings


@pytest.mark.parametrize(
    ("model", "also", "budget", "said"),
    [
        (None, "large", None, "add --model NAME"),
        ("small", "=1/2", None, "NAME or NAME=IN/OUT"),
        ("small", "large=dear", None, "IN/OUT"),
        ("small", "large", 1.0, "needs the price of large"),
    ],
)
def test_a_wrong_other_model_is_one_line(model: str | None, also: str, budget: float | None, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        make_settings(model=model, price=model and "1/2", values={"also_models": [also], "budget_usd": budget}, environ={})
    assert "\n" not in str(caught.value)


def test_a_task_without_prompts_that_may_change_has_no_operators_of_prompts() -> None:
    settings, task = make_settings(values={}, environ={}), made_task()
    names = {part: frozenset(task.seed.names) & frozenset(part.split()) for part in ("read double", "read double solve")}
    drawn = {part: resolve_strategy(settings, replace(task, frozen=frozen), has_proposer=False).operators for part, frozen in names.items()}
    assert "verify" in drawn["read double"]  # the entry may change: a check can be put into it
    assert not drawn["read double solve"].keys() & PROMPT_OPERATORS.keys()
    plain = replace(task, seed=parse("def solve(words):\n    return 1\n"))
    assert "verify" not in resolve_strategy(settings, plain, has_proposer=False).operators


def test_what_is_said_of_archive_and_islands_takes_the_place_of_the_strategys_own() -> None:
    settings = make_settings(values={"archive": "grid", "reset_every": 50, "spawn_after": 20}, environ={})
    own = resolve_strategy(make_settings(values={}, environ={}), made_task(), has_proposer=False)
    strategy = resolve_strategy(settings, made_task(), has_proposer=False)
    assert (own.archive, own.reset_every, own.spawn_after) == ("top-k", 0, 0)
    assert (strategy.archive, strategy.reset_every, strategy.spawn_after) == ("grid", 50, 20)
    assert strategy.operators == own.operators


@pytest.mark.parametrize("chosen", [{"archive": "grid"}, {"reset_every": 9}])
def test_a_control_takes_no_archive(chosen: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="the control `random` takes its parents from no archive"):
        resolve_strategy(make_settings(values={"strategy": "random", **chosen}, environ={}), made_task(), has_proposer=False)
