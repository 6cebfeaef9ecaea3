"""Turn results and errors into text and structured content for the model."""
