"""The client's brain without its sockets: which server, when again, with which numbers, from where.

Everything here is synchronous and deterministic: time and chance are handed in, what to do comes
out. The synchronous and the asyncio client are two shells around the same decisions.
"""

from goutube.routing.addresses import AddressBook, parse_addresses
from goutube.routing.attempts import Attempts
from goutube.routing.cursor import ReadCursor, ReadWish, Start, choose_start
from goutube.routing.cutting import (
    BATCH_BYTES,
    BATCH_RECORDS,
    RECORD_BYTES,
    check_record,
    cut_bytes,
)
from goutube.routing.download import (
    Claim,
    DownloadPlan,
    DownloadWish,
    Piece,
    check_plan,
    check_streams,
    decode_resume,
    encode_claim,
    encode_plan,
    missing,
    plan_download,
)
from goutube.routing.operation import Operation, Parcel
from goutube.routing.producing import Gatherer, Group, ProducerOptions
from goutube.routing.session import ProducerSession
from goutube.routing.strict_session import StrictSession, retold

__all__ = [
    "BATCH_BYTES",
    "BATCH_RECORDS",
    "RECORD_BYTES",
    "AddressBook",
    "Attempts",
    "Claim",
    "DownloadPlan",
    "DownloadWish",
    "Gatherer",
    "Group",
    "Operation",
    "Parcel",
    "Piece",
    "ProducerOptions",
    "ProducerSession",
    "ReadCursor",
    "ReadWish",
    "Start",
    "StrictSession",
    "check_plan",
    "check_record",
    "check_streams",
    "choose_start",
    "cut_bytes",
    "decode_resume",
    "encode_claim",
    "encode_plan",
    "missing",
    "parse_addresses",
    "plan_download",
    "retold",
]
