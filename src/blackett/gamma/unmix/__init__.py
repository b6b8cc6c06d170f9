"""Full-spectrum Poisson unmixing: which templates does this spectrum need?

A spectrum is grouped into whole channels of about a third of the detector's resolution and
described by a background (measured, or modelled with wide priors) plus a few of the library's
templates, with the energy axis, the resolution and a smooth shape error as nuisances
(`likelihood`).

1. `proposal` searches all templates at once on a coarse lattice of gains and offsets, in the
   quadratic approximation.
2. `search` fits the proposals with the full likelihood, drops every source that the data do not
   need and adds what the score test still asks for, until nothing changes.
3. What stays is declared; what is near is a candidate; a peak or continuum that nothing explains
   makes the answer "unknown".

Significances are of likelihood ratios at the refitted nuisances, not of net counts over errors.
"""

from __future__ import annotations

from blackett.gamma.unmix.grouping import Grouped, group
from blackett.gamma.unmix.mixture import (
    Evidence,
    Mixture,
    Unmixed,
    deviance,
    parameters_used,
    ratio,
    required,
    rival_ratio,
    scores,
    without,
)
from blackett.gamma.unmix.problem import (
    Task,
    Told,
    columns_by_source,
    n_room,
    needed,
    offered,
    problem_with,
    task,
    templates_at,
)
from blackett.gamma.unmix.search import unmix
from blackett.gamma.unmix.settings import DEFAULT, Settings

__all__ = [
    "DEFAULT",
    "Evidence",
    "Grouped",
    "Mixture",
    "Settings",
    "Task",
    "Told",
    "Unmixed",
    "columns_by_source",
    "deviance",
    "group",
    "n_room",
    "needed",
    "offered",
    "parameters_used",
    "problem_with",
    "ratio",
    "required",
    "rival_ratio",
    "scores",
    "task",
    "templates_at",
    "unmix",
    "without",
]
