"""Configuration, presets, doctor, job submission, display."""
