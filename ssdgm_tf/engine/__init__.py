"""The engine: graphs of variables, passes over them, and bounds of a pass. Functions of a graph and of values."""
