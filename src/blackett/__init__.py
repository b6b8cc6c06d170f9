"""blackett: deep learning and honest statistics for two radiation detectors.

`blackett.gamma` names the radionuclides in a gamma spectrum, `blackett.alphag` finds where an
antihydrogen atom annihilated.
"""

__version__ = "0.1.0"
