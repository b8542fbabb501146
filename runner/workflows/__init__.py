"""The workflows that come with Tailcast."""
