"""FHIR R4 (4.0.1) at the edge: what a resource says of itself, and whether it is one, without changing a byte of it."""

from medshare.standards.fhir.checking import check
from medshare.standards.fhir.describing import (
    MAX_RESOURCE_SIZE,
    MEDIA_TYPE,
    ResourceDescription,
    describe,
    read,
)
from medshare.standards.fhir.splitting import entries, frame, is_split

__all__ = [
    "MAX_RESOURCE_SIZE",
    "MEDIA_TYPE",
    "ResourceDescription",
    "check",
    "describe",
    "entries",
    "frame",
    "is_split",
    "read",
]
