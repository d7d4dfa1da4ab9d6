"""The examination that a DICOM object is of: its study's."""

from __future__ import annotations

from medshare.standards.dicom import Study
from medshare.standards.examinations.examination import Code, Examination


def of_study(study: Study) -> tuple[Examination, ...]:
    """Return the examination of a study, of one object of it."""
    return (
        Examination(
            codes=frozenset(Code.of(system, code) for system, code in study.procedures),
            when=study.clinical_date,
            final=not study.preliminary,
            has_result=study.has_result,
        ),
    )
