"""Which radionuclides does this gamma spectrum hold?"""
