"""Classical vertex reconstructions: `hough` and `chain`, each with its settings.

Each module holds `reconstruct_batch(batch, settings)` and `DEFAULT`, its settings; `PRESETS` names
further sets where there are some.
"""

from __future__ import annotations
