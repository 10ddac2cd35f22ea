"""Model and decoding of a prompt."""

from __future__ import annotations

from graftwork.programs.decoding import ChangeDecoding, ChangeModel
from graftwork.programs.moves import Context, moved
from graftwork.programs.options import options_of
from graftwork.programs.parse import parse
from graftwork.programs.sampling import WrapInVote

from .structures import PROGRAMS, run

CHAIN, CONTEXT = PROGRAMS["chain"]


def test_an_option_is_what_the_request_says_and_nothing_else_changes() -> None:
    for place in ChangeDecoding().places(CHAIN, CONTEXT):
        child = moved(ChangeDecoding(), CHAIN, place, CONTEXT).program
        option, _, text = place.choice.partition("=")
        before = next(item.body for item in run(CHAIN, lambda _: "12")[1] if item.component == place.component)
        after = next(item.body for item in run(child, lambda _: "12")[1] if item.component == place.component)
        assert {key: value for key, value in after.items() if key != option} == {
            key: value for key, value in before.items() if key != option
        }
        assert after[option] == float(text)
        assert after[option] != before.get(option)


def test_the_room_for_an_answer_halves_or_doubles_within_bounds() -> None:
    def rooms(tokens: str) -> list[str]:
        program = parse(CHAIN.source.replace("max_tokens=96", f"max_tokens={tokens}"))
        return [place.choice for place in ChangeDecoding().places(program, CONTEXT) if place.choice.startswith("max_tokens")]

    assert rooms("96") == ["max_tokens=48", "max_tokens=192"]
    assert rooms("16") == ["max_tokens=32"]
    assert rooms("2048") == ["max_tokens=1024"]


def test_an_option_that_is_set_can_be_left_to_the_endpoint() -> None:
    program = parse(CHAIN.source.replace("max_tokens=96", "top_p=0.9"))
    place = next(place for place in ChangeDecoding().places(program, CONTEXT) if place.choice == "top_p=")
    assert moved(ChangeDecoding(), program, place, CONTEXT).program["plan"].source.startswith("@prompt\ndef plan")


def test_a_prompt_that_is_voted_on_is_never_set_to_always_say_the_same() -> None:
    child = moved(WrapInVote(), CHAIN, WrapInVote().places(CHAIN, CONTEXT)[0], CONTEXT).program
    temperatures = {place.choice for place in ChangeDecoding().places(child, CONTEXT) if place.component == "work"}
    assert {"temperature=0.3", "temperature=1.0"} < temperatures
    assert "temperature=0.0" not in temperatures


def test_a_prompt_may_ask_any_model_that_is_named_but_its_own() -> None:
    program = parse(CHAIN.source.replace("max_tokens=96", "model=SMALL").replace("@tool\n", 'SMALL = "small"\n\n\n@tool\n'))
    found = {(place.component, place.choice) for place in ChangeModel().places(program, CONTEXT)}
    assert found == {("plan", "large"), ("work", "small"), ("work", "large")}
    child = moved(ChangeModel(), program, ChangeModel().places(program, CONTEXT)[0], CONTEXT).program
    assert options_of(child["plan"]) == {"model": '"large"'}
    assert "SMALL" not in child
    assert ChangeModel().places(program, Context(entry="solve")) == ()
