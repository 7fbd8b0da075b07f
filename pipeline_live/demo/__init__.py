"""``pipeline-live demo``: a whole spoken conversation through all real layers, without a key."""
