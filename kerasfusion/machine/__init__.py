"""What this machine is: processor, memory, GPU, packages, and how fast it works. In: nothing, or work to be timed.
Out: findings for `doctor`, times for dry runs and `benchmark`."""
