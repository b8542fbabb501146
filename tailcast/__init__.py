"""The command line: people's way to runs on disk. Imports relay and runner only where a command needs them."""
