"""HL7 version 2 (ER7) at the edge: what a message says of itself, and whether it is one."""

from medshare.standards.hl7v2.checking import Surveyed, check, day_of
from medshare.standards.hl7v2.message import MAX_MESSAGE_SIZE, MEDIA_TYPE, Message, messages, read

__all__ = ["MAX_MESSAGE_SIZE", "MEDIA_TYPE", "Message", "Surveyed", "check", "day_of", "messages", "read"]
