"""Synthetic patients: FHIR R4 Bundles of people who do not exist, the same bytes for the same seed.

for bundle in generate(seed=7, patients=100):
    ...

They conform to what is checked of what arrives; their codes are real ones (LOINC, SNOMED CT, UCUM); nobody is meant.
"""

from medshare.testing.synthetic import terms
from medshare.testing.synthetic.chart import Chart, Resource, written
from medshare.testing.synthetic.generating import NEWEST_DAY, chart, generate

__all__ = ["NEWEST_DAY", "Chart", "Resource", "chart", "generate", "terms", "written"]
