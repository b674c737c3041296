"""Local models: chat engines and embedders, their cards and files. Knows nothing of documents or people."""
