"""What is known of a member's taste: `/history`."""
