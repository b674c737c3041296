"""The assistant, its front ends, and the platform around them."""
