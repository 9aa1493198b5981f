"""What the closing pages of the parts compare: which runs, with which settings and numbers."""
