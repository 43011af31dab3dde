"""The tests mirror the packages; `conformance/` has a suite for each protocol, `repository/` checks the tree itself."""
