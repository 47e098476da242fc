"""What a household spends, by category and month."""
