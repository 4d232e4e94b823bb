"""The forms of what the server stores; made by scripts/generate, never edited."""
