"""The settings of a run: everything that a person may choose, checked, and written whole to `run.toml`."""

from __future__ import annotations

import os
import platform
import secrets
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Final, Literal, cast

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from graftwork.evaluators.prices import Price
from graftwork.programs.errors import ConfigError
from graftwork.programs.model import Role

__all__ = ["ModelSettings", "RunSettings", "make_settings", "write_run_toml"]

_RECORDED_VERSIONS: Final = ("graftwork", "prefect", "ray", "openai", "numpy", "pyarrow")


class ModelSettings(BaseModel):
    """One endpoint in one role. The key itself is never stored: only the name of the variable that holds it.

    Attributes:
        model: Name as the endpoint knows it.
        base_url: Root of the OpenAI-compatible API; None for OpenAI's own.
        key_variable: Environment variable that holds the key.
        usd_per_million_input_tokens: List price.
        usd_per_million_output_tokens: List price.
        timeout_s: Seconds for one call.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    base_url: str | None = None
    key_variable: str = "OPENAI_API_KEY"
    usd_per_million_input_tokens: Annotated[float, Field(ge=0)] = 0.0
    usd_per_million_output_tokens: Annotated[float, Field(ge=0)] = 0.0
    timeout_s: Annotated[float, Field(gt=0)] = 300.0

    @property
    def price(self) -> Price:
        """List price of its tokens."""
        return Price(input_usd_per_mtok=self.usd_per_million_input_tokens, output_usd_per_mtok=self.usd_per_million_output_tokens)

    @property
    def alias(self) -> str:
        """Name of the endpoint in cache keys and lineage."""
        return f"{self.model}@{self.base_url or 'openai'}"


class RunSettings(BaseModel):
    """One search, completely.

    Attributes:
        seed: Seed of every choice.
        strategy: Name of a strategy, or `auto`: `model` when there is a proposer, else `no-model`. `random` and `best-of-n` are controls.
        archive: What each island keeps its members in, of `ARCHIVES`; None is the strategy's own.
        reset_every: Candidates between two resets of the worse half of the islands, 0 for none; None is the strategy's own.
        spawn_after: Candidates without a better best after which an island is opened, likewise.
        window: Briefs in flight; fixed for the run, never taken from the machine (`docs/decisions/the-window-is-a-plain-number.md`).
        candidates: Ceiling of briefs.
        seconds: Ceiling of wall seconds for the search itself.
        target: Score on val, in the task's unit, at which the search ends.
        patience: Candidates without a better score after which it ends.
        stop_file: File whose appearance ends it.
        effect: The least difference to the seed, in the task's unit, that `test` must be able to show: where it cannot, the run is refused
            before anything is spent. None refuses nothing; it is said what a tenth of the score range would take.
        best_of: Answers of the seed to each test example that the champion is compared with, at most, and at most for what the search
            cost; 0 leaves the comparison out.
        budget_usd: Ceiling of spend at list price, all roles together.
        budget_tokens: Ceiling of tokens, likewise.
        budget_calls: Ceiling of model calls, likewise.
        role_budgets_usd: Ceilings of single roles, within the run's: the call that would pass one ends the search.
        requests_per_minute: What an endpoint may be asked; None is no limit.
        tokens_per_minute: Likewise, input and output together.
        in_flight: Calls at an endpoint at the same time.
        pool: Where programs run.
        slots: Programs that run at the same time; 0 = the number of processors, or 8 when the program asks models.
        ray_address: `host:port` or `auto` of a running cluster; None starts a local one.
        sandbox: `standard`, or `weak` where the kernel cannot do better and it is accepted.
        proposer: The model that writes programs.
        more_proposers: Others that do, at the same endpoint; operators choose among all of them.
        task_model: The model that runs inside programs.
        judge: The model that scorers ask.
        also_models: Others that a prompt may name, at the same endpoint.
        imported: File of a program, or of an export, that takes the place of the task's seed.
        start_from: Folder or file of programs with scores from elsewhere, see `elsewhere`: the best are the first candidates.
        start_from_best: How many of them.
        mirror: Place where a copy of the run is kept, such as `s3://bucket/prefix`; no keys in it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 0
    strategy: str = "auto"
    archive: str | None = None
    reset_every: Annotated[int, Field(ge=0)] | None = None
    spawn_after: Annotated[int, Field(ge=0)] | None = None
    window: Annotated[int, Field(ge=1, le=1024)] = 16
    candidates: Annotated[int, Field(ge=1)] = 200
    seconds: Annotated[float, Field(gt=0)] | None = None
    target: float | None = None
    patience: Annotated[int, Field(ge=1)] | None = None
    stop_file: str | None = None
    effect: float | None = None
    best_of: Annotated[int, Field(ge=0, le=1024)] = 16
    budget_usd: Annotated[float, Field(ge=0)] | None = None
    budget_tokens: Annotated[int, Field(ge=0)] | None = None
    budget_calls: Annotated[int, Field(ge=0)] | None = None
    role_budgets_usd: Mapping[Role, Annotated[float, Field(ge=0)]] = {}
    requests_per_minute: Annotated[float, Field(gt=0)] | None = None
    tokens_per_minute: Annotated[float, Field(gt=0)] | None = None
    in_flight: Annotated[int, Field(ge=1, le=4096)] = 64
    pool: Literal["local", "ray"] = "local"
    slots: Annotated[int, Field(ge=0, le=1024)] = 0
    ray_address: str | None = None
    sandbox: Literal["standard", "weak"] = "standard"
    proposer: ModelSettings | None = None
    more_proposers: tuple[ModelSettings, ...] = ()
    task_model: ModelSettings | None = None
    judge: ModelSettings | None = None
    also_models: tuple[ModelSettings, ...] = ()
    imported: str | None = None
    start_from: str | None = None
    start_from_best: Annotated[int, Field(ge=1)] = 8
    mirror: str | None = None

    @property
    def proposers(self) -> tuple[ModelSettings, ...]:
        """Every model that writes programs."""
        return (*((self.proposer,) if self.proposer is not None else ()), *self.more_proposers)

    @property
    def named_models(self) -> Mapping[str, Price]:
        """List price of every model that a prompt may name, by name: the run's own and the others."""
        known = (*self.also_models, *self.proposers, self.task_model)
        return {model.model: model.price for model in known if model is not None}


def make_settings(
    *,
    model: str | None = None,
    proposer: str | Sequence[str] | None = None,
    base_url: str | None = None,
    price: str | None = None,
    values: Mapping[str, object],
    environ: Mapping[str, str] = os.environ,
) -> RunSettings:
    """The settings that a person asked for.

    Args:
        model: Model for both roles; None where there is none.
        proposer: Another model for proposing only, or several, each `NAME` or `NAME=IN/OUT`.
        base_url: Endpoint of all; None takes `OPENAI_BASE_URL`, or OpenAI's own.
        price: `IN/OUT`, US dollars per million tokens.
        values: Fields of `RunSettings`; `judge` and each of `also_models` as texts `NAME` or `NAME=IN/OUT`. A judge that has another role
            too may leave out its price.
        environ: Where `OPENAI_BASE_URL` is read.

    Raises:
        ConfigError: If a value is out of range, a URL or a price has no model, or a ceiling in dollars meets a model of unknown price.
    """
    judge = cast("str | None", values.get("judge"))
    proposers = _proposers((proposer,) if isinstance(proposer, str) else proposer or (), model, price=price)
    if not proposers and (price is not None or (base_url is not None and judge is None)):
        raise ConfigError("--base-url and --price need a model: add --model NAME")
    url = base_url or environ.get("OPENAI_BASE_URL")
    also_models = cast("Sequence[str]", values.get("also_models") or ())
    if also_models and model is None:
        raise ConfigError("--also-model adds to the model that answers prompts: add --model NAME")
    unpriced = values.get("budget_usd") is None and not values.get("role_budgets_usd")
    others = [_other(text, url, unpriced=unpriced) for text in also_models]
    if not unpriced and model is not None and price is None:
        raise ConfigError(f"--budget-usd needs the price of {model}: add --price IN/OUT in USD per million tokens (0/0 for a local model)")
    writing = [_other(text, url, unpriced=unpriced, option="--proposer") for text in proposers]
    try:
        settings = RunSettings.model_validate(
            {
                "proposer": writing[0] if writing else None,
                "more_proposers": writing[1:],
                "task_model": {"model": model, "base_url": url, **_price(price)} if model else None,
                **values,
                "also_models": others,
                "judge": _judge(judge, url, priced=[f"{model}={price}" if price else "", *proposers], unpriced=unpriced) if judge else None,
            }
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}, not {first['input']!r}") from None
    return settings


def _proposers(named: Sequence[str], model: str | None, *, price: str | None) -> tuple[str, ...]:
    """What is to write programs, each `NAME` or `NAME=IN/OUT`; the run's model where no other is named.

    Raises:
        ConfigError: If it is not clear whose the price is, or one is named twice.
    """
    texts = tuple(named) or ((model,) if model is not None else ())
    names = [text.partition("=")[0].strip() for text in texts]
    if twice := [name for place, name in enumerate(names) if name in names[:place]]:
        raise ConfigError(f"--proposer {twice[0]} is there twice: name each model once")
    if price is None:
        return texts
    unpriced = [name for text, name in zip(texts, names, strict=True) if "=" not in text and name != model]
    if unpriced and (model is not None or len(unpriced) > 1):
        raise ConfigError(
            f"--price holds for one model, and --model and --proposer name more: write --proposer {unpriced[0]}=IN/OUT for its own price"
        )
    return tuple(text if "=" in text else f"{text}={price}" for text in texts)


def _judge(text: str, url: str | None, *, priced: Sequence[str], unpriced: bool) -> dict[str, object]:
    """The judge's settings; one that has another role too has its price from there."""
    text = next((one for one in priced if "=" in one and one.partition("=")[0] == text), text)
    return _other(text, url, unpriced=unpriced, option="--judge")


def _other(text: str, url: str | None, *, unpriced: bool, option: str = "--also-model") -> dict[str, object]:
    """The settings of a model that prompts may name, or of the judge.

    Raises:
        ConfigError: If it has no name, or no price where one is needed.
    """
    name, _, price = text.partition("=")
    if not name.strip():
        raise ConfigError(f"{option} must be NAME or NAME=IN/OUT, not {text!r}")
    if not price and not unpriced:
        raise ConfigError(f"--budget-usd needs the price of {name}: write {option} {name}=IN/OUT in USD per million tokens")
    return {"model": name.strip(), "base_url": url, **_price(price or None)}


def _price(text: str | None) -> dict[str, float]:
    if text is None:
        return {}
    try:
        price_in, price_out = (float(part) for part in str(text).split("/"))
    except ValueError:
        raise ConfigError(f"--price must be IN/OUT in USD per million tokens, such as 0.15/0.60, not {text!r}") from None
    return {"usd_per_million_input_tokens": price_in, "usd_per_million_output_tokens": price_out}


def write_run_toml(path: Path, settings: RunSettings, *, layers: Sequence[str] = (), **tables: Mapping[str, object]) -> None:
    """Write the complete configuration of a run, with the versions that it runs on. The id that the run has already stays.

    Args:
        path: The file.
        settings: The settings.
        layers: The walls around programs that were found to hold on the machine that prepared it.
        **tables: `task`, what there is to say of it; `strategy`; `models`, aliases by role; `fork`, of a run that began with results of
            another that `run`, and `until` which of them. One that is empty is left out.
    """
    from graftwork.search.mirror import run_id  # here: it brings pyarrow, which settings alone do not need

    document = {
        "schema": 1,
        "id": (run_id(path.read_bytes()) if path.exists() else "") or secrets.token_hex(8),
        **{name: dict(table) for name, table in tables.items() if table or name != "fork"},
        "settings": settings.model_dump(exclude_none=True),
        "sandbox": {"level": settings.sandbox, "layers": list(layers)},
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _RECORDED_VERSIONS}},
    }
    path.write_text(tomli_w.dumps(document), encoding="utf-8")
