"""The distributed queue: questions that are answered without a call waiting, by whichever replica is free."""
