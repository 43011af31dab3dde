"""What a run is going to cost, told before anything is spent: trees played by the policy itself in a world made of counts."""
