"""``pipeline-live bench``: how fast a bot falls silent, ours beside Pipecat's own, in real time."""
