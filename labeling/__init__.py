"""Pure: a finished tree and its verdicts in; action values, labels and training examples out."""
