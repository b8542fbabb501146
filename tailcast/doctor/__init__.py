"""What `tailcast doctor` looks at."""
