"""Adapters to whatever acts in an episode: LLM clients, environments, critics, and the workers that run them."""
