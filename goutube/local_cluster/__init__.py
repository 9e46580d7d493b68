"""Real agents as child processes of this one, for tests and notebooks: ``goutube.LocalCluster``.

An agent ends with the process that started it, however that ends, and takes a temporary directory
with it.
"""

from goutube.local_cluster.cluster import LocalCluster

__all__ = ["LocalCluster"]
