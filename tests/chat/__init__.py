"""The chat client, its messages and policies, against a real HTTP server in its own process."""
