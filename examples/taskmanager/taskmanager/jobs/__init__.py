"""What workers do: plain functions that get what they need as arguments."""
