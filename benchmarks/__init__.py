"""What things cost: plain scripts, each number beside a named baseline of the same run."""
