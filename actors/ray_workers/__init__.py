"""Everything that knows Ray: the worker shell, the pool over it, and how a process joins a cluster."""
