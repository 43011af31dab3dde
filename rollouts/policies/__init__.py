"""Fork policies, one module each, and what they share. They are registered in `rollouts.branching`."""
