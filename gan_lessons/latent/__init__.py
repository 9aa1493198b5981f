"""Part three: what the noise means: classes, codes, inverses, clusters, two domains."""
