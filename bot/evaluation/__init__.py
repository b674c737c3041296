"""Evaluation: suites of questions, their scores, runs that are kept, comparisons, reports. Builds nothing, opens no index."""
