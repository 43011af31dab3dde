"""The known-values world: its rules, its stand-ins, its exact values."""
