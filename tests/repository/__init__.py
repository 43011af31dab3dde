"""Checks of the tree itself: what is shipped, pinned, promised in the README, and who imports whom."""
