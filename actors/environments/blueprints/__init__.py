"""Blueprints: new tasks for τ² retail and airline, made from the domain's real database and verified in its environment.

A generated task has its gold sequence by construction, keeps to the domain's policy, and is not near a task of the test split.
`make` writes them to a file, `task_file` reads it. To add a domain: a subpackage with `open_shop(tables) -> Shop`, and its line
in `make`.
"""
