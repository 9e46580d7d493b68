"""``goutube.v1``: streams, their administration, the cluster."""
