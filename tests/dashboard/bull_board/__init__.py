"""The routes of Bull Board: compared with the real one, and as its own page uses them."""
