"""What faults do to callers: several servers on one database and one Redis, broken under load."""
