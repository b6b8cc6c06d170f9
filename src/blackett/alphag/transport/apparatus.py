"""Everything the compiled tracking needs to know, in nested records of arrays."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np

from blackett.alphag.geometry.compiled import kernel
from blackett.alphag.geometry.field import solenoid
from blackett.alphag.geometry.layers import GAS, cells
from blackett.alphag.geometry.materials import material_table
from blackett.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import DTypeLike

    from blackett.arrays import FloatArray, IntArray

__all__ = ["Apparatus", "Settings", "blank", "build_apparatus", "record"]


@dataclass(frozen=True)
class Settings:
    """Knobs of the transport; energies in MeV are kinetic, lengths in mm, all >= 0."""

    field_scale: float = 1.0
    """Multiplies the solenoid map."""
    material_scale: float = 1.0
    """Multiplies the density of everything but gas and scintillator."""
    pion_reaction_scale: float = 1.0
    """Multiplies the rate of pion-nucleus reactions; 0 switches hadronic physics off."""
    pion_elastic_ratio: float = 0.5
    """Elastic over reaction rate (collision against interaction length, Particle Data Group)."""
    delta_cut_gas_mev: float = 0.010
    """Electrons freed in the gas with more are followed; softer ones belong to the clusters."""
    delta_cut_solid_mev: float = 1.0
    brems_cut_mev: float = 2.0
    """Bremsstrahlung photons above are made one by one."""
    photon_cut_mev: float = 2.0
    """Photons below are absorbed where they are."""
    electron_cut_gas_mev: float = 0.005
    electron_cut_solid_mev: float = 0.3
    electron_cut_inside_mev: float = 4.0
    """The same inside r = 92 mm, where 3 mm of steel and 5.75 mm of G10 are still to be crossed; it
    scales with the material below 1."""
    heavy_cut_mev: float = 0.5
    """Muons, pions and protons below are stopped where they are."""
    gas_step_mm: float = 5.0
    solid_step_mm: float = 3.0
    max_path_mm: float = 5000.0
    """A particle that has come so far (a looper) is given up."""
    max_time_ns: float = 20_000.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not (np.isfinite(value) and value >= 0):
                raise InputError(f"{field.name} = {value}: give a finite number >= 0")
        for name in ("delta_cut_gas_mev", "delta_cut_solid_mev", "brems_cut_mev", "photon_cut_mev",
                     "electron_cut_gas_mev", "electron_cut_solid_mev", "heavy_cut_mev",
                     "gas_step_mm", "solid_step_mm"):  # fmt: skip
            if getattr(self, name) == 0:
                raise InputError(f"{name} = 0: give a number above 0")


STILL_MEV = 1e-6  # kinetic energy of what does not move, where no cut holds
_BORE_NODES = 41  # r <= 200 mm of the field grid: beyond, the field is that of single rings
_INSIDE_MM = 92.0  # inner face of the outer vacuum chamber
# columns of `Apparatus.table`; the density effect takes four
X0_MM, DENSITY, IONISATION, EXCITATION_MEV, STERNHEIMER = range(5)
MOLIERE, SCREENING, Z_SCATTER, NUCLEAR_FM, PION_PER_MM, PROTON_SHARE, MUON_CAPTURE = range(8, 15)


class Apparatus(Protocol):
    """Geometry, materials, field and cuts, as compiled code sees them: the fields of one record.

    One numpy record goes from function to function as a pointer; tuples of arrays would be copied.
    """

    z_edges: FloatArray
    r_edges: FloatArray
    material: IntArray
    shells: IntArray
    table: FloatArray  # (materials, columns): `MaterialTable` without the photons
    photons: FloatArray  # (materials, energies, 2): pair production and Compton scattering per mm
    b_r: FloatArray
    b_z: FloatArray
    field_step: float
    b_max: float  # the largest field (T), above 0
    pion_reaction: float
    pion_elastic: float
    delta_gas: float
    delta_solid: float
    brems: float
    photon: float
    electron_gas: float
    electron_solid: float
    electron_inside: float
    heavy: float
    gas_step: float
    solid_step: float
    max_path: float
    max_time: float


_CUTS = tuple(Apparatus.__annotations__)[10:]


@kernel
def electron_threshold(world: Apparatus, m: int, s: FloatArray) -> float:
    """Kinetic energy (MeV) below which an electron at (s[0], s[1]) in material m is not
    followed.
    """
    if s[0] * s[0] + s[1] * s[1] < _INSIDE_MM * _INSIDE_MM:
        return world.electron_inside
    if world.table[m, DENSITY] == 0:
        return STILL_MEV
    return world.electron_gas if m == GAS else world.electron_solid


def build_apparatus(settings: Settings) -> Apparatus:
    """The apparatus with these settings."""
    field, world = solenoid(settings.field_scale), cells()
    table = material_table(settings.material_scale)
    values = {f.name: float(getattr(settings, f.name)) for f in fields(settings)}
    values["electron_cut_inside_mev"] *= min(settings.material_scale, 1.0)
    values["electron_cut_inside_mev"] += STILL_MEV
    arrays = {
        **world._asdict(),
        "table": np.concatenate([np.atleast_2d(column.T).T for column in table[:-2]], axis=1),
        "photons": np.stack(table[-2:], axis=2),
        "b_r": field.b_r,
        "b_z": field.b_z,
        "field_step": np.float64(field.step_mm),
        "b_max": np.float64(max(np.hypot(field.b_r, field.b_z)[:_BORE_NODES].max(), 1e-6)),
        **{k: np.float64(v) for k, v in zip(_CUTS, list(values.values())[2:], strict=True)},
    }
    return cast("Apparatus", record(arrays))


def record(arrays: Mapping[str, np.ndarray | np.generic]) -> np.void:
    """One numpy record that holds a copy of all arrays."""
    made = blank({name: (a.dtype, a.shape) for name, a in arrays.items()})
    for name, array in arrays.items():
        made[name] = array
    return made


def blank(fields: Mapping[str, tuple[DTypeLike, tuple[int, ...]]]) -> np.void:
    """One numpy record of zeros with fields of these types and shapes.

    Compiled code takes it as a pointer and knows the shapes; memory is used where it is written to.
    """
    kinds = np.dtype([(name, *field) for name, field in fields.items()], align=True)
    return cast("np.void", np.zeros(1, kinds)[0])
