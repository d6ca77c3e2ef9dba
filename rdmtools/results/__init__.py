"""What is said and left of an analysis: words and files, without anything that draws."""
