"""What each method of the clients sends, and what it gives back of the response; nothing here waits or connects."""
