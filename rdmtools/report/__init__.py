"""Findings, comparisons and scores as figures and pages."""
