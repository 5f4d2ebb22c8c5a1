"""Graphs of tasks: checked and submitted by the gateway, carried out by the worker."""
