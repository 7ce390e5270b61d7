"""What the work would take, and what it still needs.
In: a configuration. Out: estimates for --dry-run, steps for `doctor`."""
