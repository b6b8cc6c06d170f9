"""Decay chains in time: which activities stand beside which.

Chains follow the branching and half-lives of our own tables, so that activities and lines always
belong together. An isomer that the tables keep inside its parent (Pb-207m inside Bi-207) is no
member of a chain; its lines are the parent's.
"""

from __future__ import annotations

from decimal import Context, Decimal, localcontext
from functools import cache
from typing import TYPE_CHECKING

from blackett.errors import InputError
from blackett.gamma.nuclides import nuclide

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["aged", "equilibrium", "freshly_separated_uranium", "progeny", "radon_progeny"]

_NATURAL_U_ACTIVITY = {"U-238": 1.0, "U-234": 1.0, "U-235": 0.0461}
"""Activity per U-238 in natural uranium: U-234 in equilibrium; U-235 from its 0.7204 % of atoms
(IUPAC 2013) against 99.2742 %, times the ratio of half-lives 4.468e9 y / 7.04e8 y = 0.0461."""


_LN2 = Decimal(2).ln(Context(prec=200))


@cache
def progeny(parent: str) -> tuple[str, ...]:
    """Radioactive members of the chain of `parent`, itself first, each before its daughters.

    Raises InputError for an unknown name.
    """
    ordered: list[str] = []

    def visit(name: str) -> None:
        if name not in ordered and not nuclide(name).is_stable:
            for daughter in _feeding(name):
                visit(daughter)
            ordered.append(name)

    visit(nuclide(parent).name)
    return tuple(reversed(ordered))


def equilibrium(parent: str, until: tuple[str, ...] = ()) -> dict[str, float]:
    """Activities per activity of `parent` long after separation, itself first with 1.

    Each step multiplies by branching x lambda_d / (lambda_d - lambda_p), lambda_p being that of
    `parent` and lambda_d of the daughter: the late limit of the Bateman equations (secular
    equilibrium for a long-lived parent, transient otherwise). A daughter that does not die faster
    than `parent` never reaches equilibrium and ends the chain, as do the nuclides in `until`.

    Raises InputError for an unknown name, a stable parent or a name in `until` outside the chain.
    """
    head = nuclide(parent)
    if head.is_stable:
        raise InputError(f"{head.name} is stable; equilibrium needs a radioactive parent")
    members = progeny(parent)
    ends = {nuclide(name).name for name in until}
    if strangers := ends - set(members):
        raise InputError(f"{sorted(strangers)} do not descend from {head.name}: {members}")
    ratios = dict.fromkeys(members, 0.0) | {head.name: 1.0}
    for name in members:
        for daughter, share in _feeding(name).items():
            if daughter not in ends:
                ratios[daughter] += ratios[name] * share * _growth(head.name, daughter)
    return {name: ratio for name, ratio in ratios.items() if ratio > 0}


def _feeding(name: str) -> dict[str, float]:
    """Branching from `name` to each radioactive daughter."""
    found: dict[str, float] = {}
    for decay in nuclide(name).decays:
        if decay.daughter is not None and not nuclide(decay.daughter).is_stable:
            found[decay.daughter] = found.get(decay.daughter, 0.0) + decay.branching
    return found


def _growth(parent: str, daughter: str) -> float:
    """lambda_d / (lambda_d - lambda_p), or 0 where the daughter outlives the parent."""
    ratio = nuclide(daughter).half_life_s / nuclide(parent).half_life_s
    return 1.0 / (1.0 - ratio) if ratio < 1.0 else 0.0


def aged(activities_bq: Mapping[str, float], age_s: float) -> dict[str, float]:
    """Activities in Bq after `age_s` seconds of what starts as `activities_bq` {nuclide: Bq}.

    The answer holds the given nuclides and all their radioactive progeny. It is the Bateman
    solution in 200 decimal digits, because its terms cancel almost entirely where the age is small
    against the half-lives. Half-lives and branching are those of our own tables.

    Raises InputError for unknown or stable nuclides, negative activities and negative ages.
    """
    start = _checked(activities_bq, age_s)
    members = _in_order(start)
    with localcontext(Context(prec=200)):
        rate = {name: _LN2 / Decimal(nuclide(name).half_life_s) for name in members}
        left = {name: (-rate[name] * Decimal(age_s)).exp() for name in members}
        terms = _bateman_terms(members, start, rate)
        return {
            name: max(0.0, float(rate[name] * sum(terms[name][j] * left[j] for j in terms[name])))
            for name in members
        }


def _bateman_terms(
    members: tuple[str, ...], start_bq: dict[str, float], rate: dict[str, Decimal]
) -> dict[str, dict[str, Decimal]]:
    """c[i][j] in N_i(t) = sum over j of c[i][j] exp(-lambda_j t), parents before daughters.

    From dN_i/dt = sum_p b_pi lambda_p N_p - lambda_i N_i (H. Bateman, Proc. Camb. Phil. Soc. 15
    (1910) 423): c_ij (lambda_i - lambda_j) = sum_p b_pi lambda_p c_pj, and c_ii from N_i(0).
    """
    terms: dict[str, dict[str, Decimal]] = {name: {} for name in members}
    for name in members:
        own = terms[name]
        at_start = Decimal(start_bq.get(name, 0.0)) / rate[name]
        own[name] = at_start - sum(own.values(), Decimal(0))
        for daughter, share in _feeding(name).items():
            for j, value in own.items():
                gained = Decimal(share) * rate[name] * value / (rate[daughter] - rate[j])
                terms[daughter][j] = terms[daughter].get(j, Decimal(0)) + gained
    return terms


def _in_order(start: Iterable[str]) -> tuple[str, ...]:
    """All members of the chains of `start`, each after every nuclide that feeds it."""
    members = {member for name in start for member in progeny(name)}
    ordered: list[str] = []
    while members:
        fed = {daughter for name in members for daughter in _feeding(name)}
        ordered += sorted(members - fed)
        members &= fed
    return tuple(ordered)


def _checked(activities_bq: Mapping[str, float], age_s: float) -> dict[str, float]:
    if not 0 <= age_s < float("inf"):
        raise InputError(f"age_s is {age_s}; it must be finite and not negative")
    start: dict[str, float] = {}
    for name, activity in activities_bq.items():
        if not 0 <= activity < float("inf"):
            raise InputError(f"{name} is given {activity} Bq; allowed: finite, not negative")
        if nuclide(name).is_stable:
            raise InputError(f"{name} is stable and has no activity")
        start[nuclide(name).name] = start.get(nuclide(name).name, 0.0) + float(activity)
    return start


def freshly_separated_uranium(u238_bq: float, age_s: float) -> dict[str, float]:
    """Natural uranium separated from its progeny `age_s` seconds ago, as in glass and glaze.

    U-238, U-234 and U-235 at their natural ratios and what has grown in since: Th-234 and Pa-234m
    within months, Th-231 within days, practically no Th-230, Pa-231 or Ra-226 within a century.
    Activities in Bq. Raises InputError as `aged` does.
    """
    return aged({name: ratio * u238_bq for name, ratio in _NATURAL_U_ACTIVITY.items()}, age_s)


def radon_progeny(rn222_bq: float) -> dict[str, float]:
    """Radon collected without radium: Rn-222 with its short-lived progeny through Bi-214, in Bq.

    Equilibrium with the radon (reached after about 3 h); no Ra-226 (186 keV) and no Pb-210.
    """
    ratios = equilibrium("Rn-222", until=("Pb-210",))
    return {name: ratio * rn222_bq for name, ratio in ratios.items()}
