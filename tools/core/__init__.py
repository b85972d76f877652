"""What tools/plinth-core is made of."""
