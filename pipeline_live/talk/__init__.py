"""``pipeline-live talk``: a spoken conversation in the terminal, by microphone and loudspeaker."""
