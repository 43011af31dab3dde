"""Bulk scoring of recorded drafts, measured by `tests.benchmarks.critic`."""
