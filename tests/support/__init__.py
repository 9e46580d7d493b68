"""What several tests share: a disk in memory, and a world that runs a node on it."""
