"""Refusal calibrated on the company's own documents: questions made from them, scored, and a threshold fitted."""
