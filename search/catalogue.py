"""Catalogue: the operators that come with Graftwork, by name."""

from __future__ import annotations

from collections.abc import Mapping

from graftwork.programs.restructure import moves

from .changes import change_statement, graft_expression, grow, perturb, swap_operator
from .crossover import MergeParents, TransplantComponent
from .demonstrations import demo_operators
from .operator import Rewriter, Variation
from .restructuring import Restructure
from .rewriters import Blend, DiffEdit, RewriteComponent, RewriteProgram
from .seed_vote import SeedVote
from .variations import Reshape, SwapComponent

__all__ = ["rewriters", "variations"]


def variations() -> Mapping[str, Variation]:
    """Operators without a model, by name."""
    operators: tuple[Variation, ...] = (
        Reshape(name="perturb", change=perturb),
        Reshape(name="swap_operator", change=swap_operator),
        Reshape(name="graft_expression", change=graft_expression, n_parents=2),
        Reshape(name="grow", change=grow),
        Reshape(name="statement", change=change_statement),
        SwapComponent(),
        MergeParents(),
        TransplantComponent(),
        *demo_operators(),
        *(Restructure(move=move) for move in moves()),
        SeedVote(),
    )
    return {operator.name: operator for operator in operators}


def rewriters() -> Mapping[str, Rewriter]:
    """Operators that ask a model, by name."""
    operators: tuple[Rewriter, ...] = (RewriteComponent(), DiffEdit(), RewriteProgram(), Blend())
    return {operator.name: operator for operator in operators}
