"""What the traced calls of a bench tell, the same for all who send it; no package is needed."""

QUESTION = "Which mole may a boat of more than twenty metres use in the harbour?"
ANSWER = "Boats of more than twenty metres use mole two, which lies behind the lighthouse. " * 4
PAUSE_AFTER, PAUSE = 20, 0.05  # calls, and seconds: some hundreds of calls a second
