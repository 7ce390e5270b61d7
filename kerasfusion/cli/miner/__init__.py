"""The commands below `kerasfusion miner`: from flags to the one file inside, beside or in front of a miner."""
