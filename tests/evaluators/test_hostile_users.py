"""The hostile programs again, as users other than the one who runs the tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from graftwork.evaluators.sandbox import probe

from .attacks import AREAS
from .users import BECOMING, run_tests_as, why_nobody_becomes

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(bool(probe().missing), reason="the sandbox does not hold on this machine"),
]


@pytest.mark.parametrize("name", BECOMING)
def test_every_attack_is_stopped_for_other_users_too(name: str, tmp_path: Path) -> None:
    if reason := why_nobody_becomes(name):
        pytest.skip(reason)
    done = run_tests_as(name, ["tests/evaluators/test_hostile.py"], home=tmp_path)
    passed = re.search(r"(\d+) passed", done.stdout)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert "skipped" not in done.stdout
    assert passed is not None
    assert int(passed[1]) >= sum(map(len, AREAS.values()))
