"""Insights: events and decisions become numbers, reasons and predictions."""
