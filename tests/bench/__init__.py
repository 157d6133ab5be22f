"""What the benches are built of."""
