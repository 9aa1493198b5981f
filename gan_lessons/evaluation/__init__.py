"""Questions asked of trained runs, by question and not by variant."""
