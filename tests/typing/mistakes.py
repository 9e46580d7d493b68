"""What a type checker refuses; each line that is marked must be an error, mypy says so."""

import goutube

client = goutube.connect()
client.append("s", "text")  # type: ignore[arg-type]  # text has to be encoded
client.append("s", 5)  # type: ignore[arg-type]  # a number is no content
client.append("s", records=["text"])  # type: ignore[list-item]  # records are bytes
client.append("s", b"x", [b"y"])  # type: ignore[call-arg]  # options have names
client.read("s", "newest")  # type: ignore[arg-type]  # not a place
client.producer("s").send("text")  # type: ignore[arg-type]  # text has to be encoded
client.stat("s").end_offset = 5  # type: ignore[misc]  # results do not change
goutube.connect(7373)  # type: ignore[arg-type]  # an address is text
