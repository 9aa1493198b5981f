"""Restoration: holes filled, small images made large."""
