"""Many runs, made, shown and followed as one."""
