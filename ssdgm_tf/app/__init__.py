"""The page in the browser: what a run has learned, which example to label next, and when to believe it."""
