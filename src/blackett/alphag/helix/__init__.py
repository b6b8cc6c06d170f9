"""Helices: their geometry, and their fits to points.

`centred`: about a centre, six numbers, with its distance to points; `simplex`: unweighted fits of
it. `perigee`: from the closest approach to the axis, five numbers; `weighted`: fits of it with
errors. All functions are compiled; they take and fill arrays, and can be called from Python.
"""

from __future__ import annotations
