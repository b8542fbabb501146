"""What the commands share: options, what is asked, runs by name, errors."""
