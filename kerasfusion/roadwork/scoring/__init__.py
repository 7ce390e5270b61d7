"""P(roadwork) and labels to what they are worth: the subnet's reward and decision, thresholds, scores of probabilities,
and the temperature and cut that would pay more."""
