"""Consent records and receipts of ISO/IEC TS 27560:2023, as W3C's DPV guide writes them.

A receipt follows from the terms, what the chain tells of the grant, and the PII controller's profile; the same three
give the same bytes. It holds the terms with their salt: whoever has it can compare it with the grant on chain, whose
``terms`` commit to them, and needs nobody's key for that.
"""

from medshare.standards.receipt_27560.pii_controller import PiiController
from medshare.standards.receipt_27560.receipt import MAX_RECEIPT_SIZE, ConsentState, Receipt

__all__ = ["MAX_RECEIPT_SIZE", "ConsentState", "PiiController", "Receipt"]
