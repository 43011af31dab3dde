"""τ-bench v1: the copy-on-write states on their own, and everything against upstream's own code where it can be imported."""
