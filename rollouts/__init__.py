"""The pure core: vocabulary, tree, fork policies, plan, scheduler, driver, and the protocols that the other layers implement.

Standard library only. Nothing here reads a clock, draws a random number or performs I/O on its own:
chance comes in as seeds (`rollouts.seeds`), time as a clock, and the world through `rollouts.protocols`.
"""
