"""The whole server without the world: commands in, answers and disk jobs out.

The door of the floor. A node is synchronous and deterministic: the same events in the same order
lead to the same effects, whoever hands them in.
"""

from goutube.node.commands import (
    ANY_STREAM,
    Append,
    AtOffset,
    ChangeStream,
    Command,
    CreateStream,
    DeleteStream,
    DescribeStream,
    Earliest,
    FromTimestamp,
    LastBytes,
    LastRecords,
    Latest,
    ListPage,
    ListStreams,
    NodeReport,
    Read,
    ReadAnswer,
    Reply,
    Result,
    SealStream,
    ShardStatus,
    Start,
    TrimStream,
)
from goutube.node.machine import Node, NodeOptions, Ready, open_node
from goutube.node.repair import GivenUp, LostBytes, RepairPlan, accept_loss, plan_repair
from goutube.node.retention import KEEP_ALL, RetentionLimits
from goutube.node.scrub import Scrubber, ScrubPass
from goutube.node.space import Space
from goutube.node.stats import NodeStats

__all__ = [
    "ANY_STREAM",
    "KEEP_ALL",
    "Append",
    "AtOffset",
    "ChangeStream",
    "Command",
    "CreateStream",
    "DeleteStream",
    "DescribeStream",
    "Earliest",
    "FromTimestamp",
    "GivenUp",
    "LastBytes",
    "LastRecords",
    "Latest",
    "ListPage",
    "ListStreams",
    "LostBytes",
    "Node",
    "NodeOptions",
    "NodeReport",
    "NodeStats",
    "Read",
    "ReadAnswer",
    "Ready",
    "RepairPlan",
    "Reply",
    "Result",
    "RetentionLimits",
    "ScrubPass",
    "Scrubber",
    "SealStream",
    "ShardStatus",
    "Space",
    "Start",
    "TrimStream",
    "accept_loss",
    "open_node",
    "plan_repair",
]
