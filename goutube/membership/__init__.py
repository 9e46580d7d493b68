"""Who is there: memberlist's failure detector and Serf's members, without sockets and clocks.

Messages, times and random bytes go in; effects come out. What it says is a rumour that nothing
durable may rest on.
"""
