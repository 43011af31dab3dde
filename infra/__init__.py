"""The composition root: configuration, command line, job submission, display. Alone in seeing both `actors` and `storage`."""
