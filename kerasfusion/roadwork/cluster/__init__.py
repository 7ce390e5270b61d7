"""Work on the machines of a Ray cluster: a worker a node, and what happens when one is refused, dies or joins late."""
