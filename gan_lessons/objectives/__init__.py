"""Part two: the same networks, another loss."""
