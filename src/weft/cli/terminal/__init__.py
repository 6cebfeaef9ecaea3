"""Parts that the verbs share: tables, questions, progress and values on a terminal."""
