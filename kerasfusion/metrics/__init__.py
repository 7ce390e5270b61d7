"""Labels and answers to numbers: classification metrics, intervals and paired tests, reliability of probabilities."""
