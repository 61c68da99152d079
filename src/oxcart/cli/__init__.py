"""The command `oxcart`."""
