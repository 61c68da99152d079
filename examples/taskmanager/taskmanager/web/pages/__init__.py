"""The pages: made here, with a few lines of script for what changes while one looks."""
