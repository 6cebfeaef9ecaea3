"""Work on the texts that people and sources write: characters, names, words, endings."""
