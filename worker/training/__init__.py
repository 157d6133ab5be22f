"""Training as a generator of events: recipes, batches, the loop, its state. No queue and no store."""
