"""The networks of the book, by what they are built of, each with the settings it needs."""
