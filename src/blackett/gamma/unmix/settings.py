"""Priors and limits of the unmixing."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DEFAULT", "Settings"]


@dataclass(frozen=True)
class Settings:
    """Priors and limits of the unmixing; the defaults are those of every published number."""

    lowest_kev: float = 33.0
    """Groups of a scintillator start here; those of germanium at the start of its range."""
    highest_kev: float = 2850.0
    groups_per_fwhm: float = 3.0
    window_kev: float = 25.0
    """Energy at which absorption before the crystal is uncertain by a factor of e."""
    bend_sigma: float = 0.004
    """Prior of local departures of a scintillator's axis, relative part; germanium is steadier."""
    bend_sigma_kev: float = 0.8
    """The same in keV; up to four times as much below 40 keV, where light is least proportional."""
    shape_sigma: float = 0.08
    """Shape error of a template over about `shape_length` resolutions: scatter, shielding."""
    shape_length: float = 5.0
    fine_sigma: float = 0.04
    """Shape error over about `fine_length` resolutions: peak shapes, blends, line intensities."""
    fine_length: float = 1.5
    epsilon: float = 0.01
    """Over-dispersion of each group."""
    fluorescence_sigma: float = 0.03
    """Prior share of all counts that are X-rays excited in heavy elements near the source."""
    tail_sigma: float = 0.02
    """Prior share of all counts in the tails that peaks have towards higher energies."""
    edge_sigma: float = 0.03
    """Error of peak positions and widths in units of the FWHM, beyond the fitted ones."""
    background_scale_sigma: tuple[float, float] = (0.1, 0.03)
    """Prior errors of a measured background's scale, below one and above. Nothing that is laid
    beside a detector makes its room brighter; the live times are exact."""
    shade_sigma: float = 0.15
    """Share of a measured background at 100 keV that the sample itself keeps away; less above."""
    needed: float = 36.0
    """Twice the log-likelihood ratio at which a common source is declared."""
    fewest_counts: int = 30


DEFAULT = Settings()
