"""What tests lean on: servers and requirements."""
