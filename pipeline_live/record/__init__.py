"""``pipeline-live record``: sessions with the real service, written down with their times."""
