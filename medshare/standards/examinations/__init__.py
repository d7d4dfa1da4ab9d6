"""Examinations: which ones a record tells, when they were made, and whether they have a result; no value of them."""

from medshare.standards.examinations.equivalence import MAX_EQUIVALENCE_SIZE, Equivalence
from medshare.standards.examinations.examination import Code, Examination
from medshare.standards.examinations.told import MAX_EXAMINED, examinations

__all__ = ["MAX_EQUIVALENCE_SIZE", "MAX_EXAMINED", "Code", "Equivalence", "Examination", "examinations"]
