"""Sources into documents into chunks into the index. Knows nothing of questions or front ends."""
