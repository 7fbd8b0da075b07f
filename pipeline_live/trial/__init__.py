"""``pipeline-live test``: the ``tests:`` of a bot's file, spoken with the emulator and judged."""
