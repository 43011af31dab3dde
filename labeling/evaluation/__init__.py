"""Pure: the trials of an evaluation's arms in; pass^k, paired differences, helpfulness and harmfulness out, with intervals."""
