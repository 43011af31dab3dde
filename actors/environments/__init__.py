"""Tool environments as pure functions over immutable states, so that a fork of an episode is a reference."""
