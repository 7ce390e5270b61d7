"""`ablate`: many configurations, each trained and evaluated in a process of its own, to one table and its figures."""
